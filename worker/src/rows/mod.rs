//! What every kind of import shares: fields, their problems, and the header line.

pub mod header;
pub mod problem;
