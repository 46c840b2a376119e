//! The user import: rows that create users and bring them up to date.

pub mod check;
pub mod columns;
pub mod row;

pub mod row_digest;
pub mod chunk;

pub mod copy;
pub mod merge;
pub mod roster;
