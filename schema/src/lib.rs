//! What the API, the workers and the operator's command agree on: the tables and the queries every process
//! needs, the import's states and its lease, the wake-up message and the queues it travels through, the
//! result JSON, the sealed upload store, passwords, configuration and telemetry.
//!
//! It knows nothing of HTTP (status codes live in `api`) and nothing of CSV (columns, rows and their
//! problems live in `worker`).
//!
//! The map, in reading order:
//!
//! | module | holds |
//! |---|---|
//! | [`ids`] | the identifiers, a type each |
//! | [`tables`] | the tables as diesel knows them |
//! | [`database`] | the pool, TLS to the server, migrations, the channel that tells of finished imports |
//! | [`session`] | connections without diesel between, for a chunk's transaction |
//! | [`statement`] | SQL written by hand for diesel, prepared once |
//! | [`tenant`], [`group`], [`account`] | tenants and their settings, groups, who may import |
//! | [`import`] | an import's life: submitted, claimed under a lease, progressing, finished |
//! | [`outcome`], [`result`] | what became of each row, and the JSON the client reads |
//! | [`hashing`] | passwords that wait under seal, and whose turn it is to have some hashed |
//! | [`wake_up`], [`broker`], [`outbox`] | the message that says "look at this import", RabbitMQ, and the way there |
//! | [`seal`], [`upload`], [`password`] | the service's key, uploads at rest, passwords |
//! | [`config`], [`telemetry`] | settings shared by the processes, traces and logs |
//! | [`edge`] | where the tests kill a process |

pub mod ids;
pub mod tables;

pub mod database;
pub mod session;
pub mod statement;

pub mod account;
pub mod group;
pub mod tenant;

pub mod import;
pub mod outcome;
pub mod result;

pub mod hashing;

pub mod broker;
pub mod outbox;
pub mod wake_up;

pub mod password;
pub mod seal;
pub mod upload;

pub mod config;
pub mod telemetry;

pub mod edge;
