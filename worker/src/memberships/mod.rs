//! The group import: rows that put users into groups.
//!
//! It knows nothing of the user import.

pub mod columns;

pub mod check;
pub mod row;

pub mod user_ids;

pub mod chunk;

pub mod merge;
