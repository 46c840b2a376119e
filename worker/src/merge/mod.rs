//! Merging one chunk in one transaction.

pub mod chunk;
