#![doc = include_str!("../README.md")]
//!
//! # Modules
//!
//! Rollcall's API accepts CSV uploads over HTTPS, queues each as an import, wakes the workers, and responds with the
//! result once they have finished it.
//!
//! It knows nothing of CSV, columns or users. A file is bytes that it seals and stores, and a result is bytes that
//! [`rollcall_schema::imports::result_json`] writes; neither is ever held in memory as a whole. It does not wait for RabbitMQ and
//! does not need it: an upload counts as accepted once it is committed to Postgres.
//!
//! The rooms, from the entrance inwards. None of them uses one above it:
//!
//! | module | holds |
//! |---|---|
//! | [`server`] | starting, accepting and limiting connections, TLS, plain HTTP on its port, closing |
//! | [`routes`] | the resources, a file each |
//! | [`state`] | the services that the routes share, built from the [`settings`] |
//! | [`openapi`] | the parts of the API's description that the routes share |
//! | [`imports`] | an import: accept the upload, wake the workers, wait for completion, write the response |
//! | [`auth`] | the login: credentials, password, cache, throttle |
//! | [`middleware`] | around every request: the request log, draining unread bodies |
//! | [`http`] | headers with a grammar of their own, and the responses with their status codes |
//! | [`settings`] | what can be configured |
//! | [`shutdown`] | the phases of a shutdown |

pub mod server;

pub mod routes;
pub mod state;

pub mod openapi;

pub mod imports;

pub mod auth;

pub mod middleware;

pub mod http;

pub mod settings;
pub mod shutdown;
