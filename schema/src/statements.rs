//! Every hand-written statement of this crate, by name, for the test that prepares them all.

use crate::imports::{idempotency, lease, outcome_reader, outcomes, progress, retention, submit, wake_ups};
use crate::passwords::queue;
use crate::postgres::{lock_probe, migrate};
use crate::tenants::account;

/// The statements by module: names and SQL.
pub const ALL: &[&[(&str, &str)]] = &[
    migrate::STATEMENTS,
    lock_probe::STATEMENTS,
    account::STATEMENTS,
    queue::STATEMENTS,
    submit::STATEMENTS,
    idempotency::STATEMENTS,
    lease::STATEMENTS,
    progress::STATEMENTS,
    outcomes::STATEMENTS,
    outcome_reader::STATEMENTS,
    wake_ups::STATEMENTS,
    retention::STATEMENTS,
];
