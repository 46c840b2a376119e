//! Rollcall's API: checks who sends a file, stores it sealed, puts it into its tenant's line, tells the workers, and
//! answers with the result when it is there.
//!
//! It knows nothing of what a row means: a file is bytes to it, and a result the bytes that
//! [`rollcall_schema::result`] writes. It holds neither in memory.
//!
//! The map, in the order of a request's way:
//!
//! | module | holds |
//! |---|---|
//! | [`settings`] | what can be set |
//! | [`server`], [`server::tls`], [`server::lingering_close`] | the process, TLS, how connections begin and end |
//! | [`state`] | what every request shares |
//! | [`middleware::drain_body`], [`middleware::request_log`] | what surrounds each request: its unread rest, its span and log line |
//! | [`routes`] | the resources, a file each |
//! | [`auth::login`], [`auth::credentials`], [`auth::login_cache`], [`auth::throttle`] | who may import |
//! | [`imports::accept`], [`imports::upload`], [`imports::publish`] | taking a file in: stored, submitted, announced |
//! | [`imports::completion`], [`imports::response`] | until the result is there, and state it |
//! | [`http::prefer`], [`http::parameters`] | headers with a grammar of their own |
//! | [`http::response`], [`http::error`] | what is said to the client, and with which status |

pub mod settings;

pub mod http;

pub mod server;
pub mod state;

pub mod middleware;
pub mod routes;

pub mod auth;

pub mod imports;
