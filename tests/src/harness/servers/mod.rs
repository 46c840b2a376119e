//! Postgres and RabbitMQ, and the databases on them.

pub mod database;
pub mod dedicated;
pub mod shared;
