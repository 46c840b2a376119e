pub mod argon2;
pub mod queue;
