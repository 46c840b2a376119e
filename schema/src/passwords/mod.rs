//! Passwords: sealed when a chunk stores them, hashed later in the background or by the first login.

pub mod argon2;
pub mod keys;

pub mod queue;
pub mod reseal;
