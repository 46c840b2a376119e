//! The Postgres and RabbitMQ servers that the tests run on, and the databases on them.

pub mod database;
pub mod dedicated;
pub mod shared;
