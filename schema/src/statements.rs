//! Every hand-written statement of this crate, by name, for the test that prepares them all.

use crate::imports::{idempotency, lease, outcomes, progress, retention, submit, wake_ups};
use crate::key_ring::rotation;
use crate::passwords::{queue, reseal};
use crate::postgres::migrate;
use crate::tenants::{account, presentation_groups};

/// The statements by module: names and SQL.
pub const ALL: &[&[(&str, &str)]] = &[
    migrate::STATEMENTS,
    account::STATEMENTS,
    presentation_groups::STATEMENTS,
    rotation::STATEMENTS,
    queue::STATEMENTS,
    reseal::STATEMENTS,
    submit::STATEMENTS,
    idempotency::STATEMENTS,
    lease::STATEMENTS,
    progress::STATEMENTS,
    outcomes::STATEMENTS,
    wake_ups::STATEMENTS,
    retention::STATEMENTS,
];
