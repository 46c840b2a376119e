//! The user import: rows that create users and update them.
//!
//! It knows nothing of the group import.

pub mod columns;

pub mod check;
pub mod row;

pub mod row_digest;

pub mod census;
pub mod forecast;

pub mod chunk;

pub mod row_version;

pub mod roster;

pub mod copy;
pub mod load;
pub mod merge;
pub mod write;
