//! Authentication: who sends a request, for which tenant, and whether they may import.
//!
//! It knows nothing of imports and nothing of the application's state, except that it can provide an
//! [`Authenticator`](login::Authenticator).
//!
//! | module | contains |
//! |---|---|
//! | [`caller`] | who sent the request, once that is proved |
//! | [`login`] | from the request to the caller, or to a refusal; what happens to a login that fails |
//! | [`account_login`], [`token_login`] | checking an account's password, an import token |
//! | [`throttle`], [`failures`] | who is slowed, and who has to wait |
//! | [`hashing_queue`], [`password`] | the turn of a login, and its check |
//! | [`login_cache`], [`recent_logins`], [`familiar`] | what was right before: minutes, days, and across restarts |
//! | [`credentials`], [`client_address`], [`network`] | what a request claims, and where it comes from |

pub mod account_login;
pub mod caller;
pub mod client_address;
pub mod credentials;
pub mod failures;
pub mod familiar;
pub mod hashing_queue;
pub mod login;
pub mod login_cache;
pub mod network;
pub mod password;
pub mod recent_logins;
pub mod throttle;
pub mod token_login;
