//! Postgres and RabbitMQ, and the databases on them.

pub mod database;
pub mod own;
pub mod shared;
