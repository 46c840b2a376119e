//! The service's database, as a test reads and writes it.

mod imports;
mod queries;
pub mod tenants;
