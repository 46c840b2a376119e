//! Imports: submitted into their tenant's line, claimed under a lease, progressing chunk by chunk, finished once.
//!
//! Postgres is the only truth (invariant 1). The worker that holds the lease works on the import. The lease's attempt
//! number is a fencing token: each claim increments it, and every write of a worker applies only while the attempt is
//! still its own (invariant 3).

pub mod model;
pub mod tally;

pub mod idempotency;
pub mod submit;

pub mod lease;
pub mod progress;

pub mod outcome_reader;
pub mod outcomes;
pub mod result_json;

pub mod job_view;
pub mod operator;

pub mod outbox;
pub mod wake_ups;
pub mod workers;

pub mod retention;
