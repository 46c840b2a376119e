//! The user import: rows that create and update users.

pub mod check;
pub mod columns;
pub mod row;

pub mod merge;
pub mod roster;
