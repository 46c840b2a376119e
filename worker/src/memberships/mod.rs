//! The group import: rows that put users into groups.

pub mod check;
pub mod columns;
pub mod row;

pub mod chunk;

pub mod merge;
