pub mod pool;
pub mod client;
pub mod tables;
