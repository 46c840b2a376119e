pub mod connection;
pub mod messages;
