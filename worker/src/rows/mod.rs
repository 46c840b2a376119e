//! What every kind of import shares: the fields and their problems, the header line, usernames.
//!
//! The header does not know which columns a kind has: each kind passes its own table.

pub mod field;
pub mod problem;

pub mod columns;
pub mod header;
pub mod lost_lines;
mod near_miss;

pub mod key_hash;
pub mod length;
pub mod null_word;
pub mod username;

pub mod merged;
pub mod write_set;
