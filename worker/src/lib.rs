#![doc = include_str!("../README.md")]
//!
//! # Modules
//!
//! The worker: receives wake-ups, claims imports, reads and checks their files, merges the rows into the tenant's tables,
//! and stores the outcome of each row.
//!
//! It knows nothing of HTTP: which client waits for a result, and how it is answered, is the API's concern.
//!
//! The map, from the process down to its parts. A room uses only rooms that come after it, and what
//! [`rollcall_schema`] offers.
//!
//! | module | holds |
//! |---|---|
//! | [`service`], [`settings`] | the process as a whole, and its configuration |
//! | [`consumer`] | receives the wake-ups of a lane; one import at a time |
//! | [`overdue`] | starts imports whose wake-up no worker has answered, without RabbitMQ |
//! | [`runner`], [`slots`] | claims an import, processes it and handles how it ends; how many at the same time |
//! | [`presence`] | reports to the database that the worker lives |
//! | [`relay`] | publishes wake-ups that are due: not confirmed, lost, or to be retried |
//! | [`janitor`] | deletes uploads and idempotency keys that have expired |
//! | [`hashing`] | hashes the passwords that imports have sealed |
//! | [`import`] | an import, from its upload to its result |
//! | [`chunk_reader`], [`row_counter`] | the readings of an upload after the survey |
//! | [`attempt`], [`engine`] | how an attempt at an import ends, and what it uses |
//! | [`merge`] | one chunk, one transaction; the proof that the result is that of one row after another |
//! | [`retry`], [`lease`] | retries of database operations; the lease of a claimed import |
//! | [`survey`] | the first reading of an upload: format and header, or why it is refused |
//! | [`users`], [`memberships`] | the two kinds of import: columns, check, merge. Neither knows the other |
//! | [`census`] | what a tenant's roster holds, read in one pass before a large file |
//! | [`rows`] | what the kinds share: fields, problems, the header line |
//! | [`blocking`] | work that would keep a thread from its other tasks |
//! | [`read`] | bytes → text → records; knows no columns |
//! | [`query_plans`] | how the statements are planned, whatever the statistics say |
//! | [`statements`] | every hand-written SQL statement, for a test |

pub mod service;
pub mod settings;

pub mod consumer;
pub mod janitor;
pub mod overdue;
pub mod presence;
pub mod relay;

pub mod runner;
pub mod slots;

pub mod hashing;

pub mod import;

pub mod chunk_reader;
pub mod row_counter;

pub mod attempt;
pub mod engine;

pub mod merge;

pub mod lease;
pub mod retry;

pub mod survey;

pub mod memberships;
pub mod users;

pub mod census;

pub mod rows;

pub mod blocking;
pub mod read;

pub mod query_plans;
pub mod statements;
