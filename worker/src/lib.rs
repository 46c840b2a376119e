//! The worker: woken by a message, it claims an import, reads and checks its file, merges the rows into the
//! tenant's tables and records what became of each.
//!
//! It knows nothing of HTTP: who waits for the result, and how it is answered, is the API's concern.
//!
//! The map, in reading order:
//!
//! | module | holds |
//! |---|---|
//! | [`import`] | the whole job, top to bottom |
//! | [`read`] | bytes → text → records; what the header line says |
//! | [`rows`] | what is wrong with a row, in the contract's words |
//! | [`merge`] | rows on their way from the reader to the merge |
//! | [`users`], [`memberships`] | the two kinds of import: columns, check, merge |
//! | [`lease`] | keeping the claim alive while the work goes on |
//! | [`consumer`] | who is woken: the queues and the slots that work them |
//! | [`relay`] | publishes what was committed and not confirmed, or seems lost |
//! | [`janitor`] | removes uploads and keys that nobody needs any more |
//! | [`hashing`] | passwords, off the critical path |
//! | [`retry`] | with servers that are away for a while |
//! | [`settings`], [`service`] | configuration, and the process as a whole |

pub mod import;

pub mod rows;
pub mod read;

pub mod merge;
pub mod memberships;
pub mod users;

pub mod lease;

pub mod hashing;
pub mod consumer;
pub mod relay;

pub mod janitor;

pub mod retry;

pub mod service;
pub mod settings;
