//! Postgres: every way to the server.
//!
//! Tables are read and written with diesel's query builder on a [`pool::Connection`]. Hand-written SQL runs on
//! a [`client::Session`], and stands in a `.sql` file beside the function that runs it.

pub mod address;
pub mod service_role;
mod tls;

pub mod client;
pub mod error;
pub mod fault;
pub mod lock_probe;
pub mod pool;

pub mod migrate;
pub mod tables;
