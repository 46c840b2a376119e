//! Merging one chunk in one transaction.

pub mod chunk;
pub mod commit_order;
