//! Every hand-written statement of this crate, by name, for the test that prepares them all.

use crate::imports::{idempotency, lease, outcomes, progress, retention, submit, wake_ups, workers};
use crate::passwords::queue;
use crate::postgres::migrate;
use crate::tenants::account;

/// The statements by module: names and SQL.
pub const ALL: &[&[(&str, &str)]] = &[
    migrate::STATEMENTS,
    account::STATEMENTS,
    queue::STATEMENTS,
    submit::STATEMENTS,
    idempotency::STATEMENTS,
    lease::STATEMENTS,
    progress::STATEMENTS,
    outcomes::STATEMENTS,
    wake_ups::STATEMENTS,
    workers::STATEMENTS,
    retention::STATEMENTS,
];
