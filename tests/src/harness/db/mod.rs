//! What a test reads from and writes to the service's database.

mod imports;
mod queries;
pub mod tenants;
