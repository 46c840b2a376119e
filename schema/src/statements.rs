//! Every hand-written statement of this crate, by name, for the test that prepares them all.

use crate::imports::{idempotency, lease, outcomes, progress, retention, submit, wake_ups};
use crate::passwords::queue;
use crate::postgres::migrate::{self, grant};
use crate::tenants::account;

/// The statements by module: names and SQL.
pub const ALL: &[&[(&str, &str)]] = &[
    migrate::STATEMENTS,
    grant::STATEMENTS,
    account::STATEMENTS,
    queue::STATEMENTS,
    submit::STATEMENTS,
    idempotency::STATEMENTS,
    lease::STATEMENTS,
    progress::STATEMENTS,
    outcomes::STATEMENTS,
    wake_ups::STATEMENTS,
    retention::STATEMENTS,
];
