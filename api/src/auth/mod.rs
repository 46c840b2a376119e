//! Authentication: who sends a request, for which tenant, and whether they may import.
//!
//! It knows nothing of imports and nothing of the application's state, except that it can provide an
//! [`Authenticator`](login::Authenticator).

pub mod credentials;
pub mod login;
pub mod login_cache;
pub mod login_locks;
pub mod password;
pub mod throttle;
