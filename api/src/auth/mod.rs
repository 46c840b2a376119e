//! Authentication: who sends a request, and whether they may import.

pub mod credentials;
pub mod login;
pub mod login_cache;
pub mod throttle;
