//! The group import: rows that put users into groups.
//!
//! It knows nothing of the user import.

pub mod columns;

pub mod check;
pub mod row;

pub mod census;

pub mod chunk;

pub mod merge;
