//! Every hand-written statement of this crate, by name, for the test that prepares them all.

use crate::audit;
use crate::imports::{
    idempotency, lease, outcome_reader, outcomes, progress, retention, submit, wake_ups, workers,
};
use crate::key_ring::rotation;
use crate::passwords::{queue, reseal};
use crate::postgres::lock_probe;
use crate::postgres::migrate::{self, grant};
use crate::tenants::{account, login_network, presentation_groups, tenant, token};

/// The statements by module: names and SQL.
pub const ALL: &[&[(&str, &str)]] = &[
    migrate::STATEMENTS,
    lock_probe::STATEMENTS,
    grant::STATEMENTS,
    tenant::STATEMENTS,
    account::STATEMENTS,
    login_network::STATEMENTS,
    token::STATEMENTS,
    audit::STATEMENTS,
    presentation_groups::STATEMENTS,
    rotation::STATEMENTS,
    queue::STATEMENTS,
    reseal::STATEMENTS,
    submit::STATEMENTS,
    idempotency::STATEMENTS,
    lease::STATEMENTS,
    progress::STATEMENTS,
    outcomes::STATEMENTS,
    outcome_reader::STATEMENTS,
    wake_ups::STATEMENTS,
    workers::STATEMENTS,
    retention::STATEMENTS,
];
