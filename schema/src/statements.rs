//! Every hand-written statement of this crate, by name, for the test that prepares them all.

use crate::audit;
use crate::imports::{idempotency, lease, outcomes, progress, retention, submit, wake_ups};
use crate::passwords::queue;
use crate::postgres::migrate;
use crate::tenants::{account, login_network, token};

/// The statements by module: names and SQL.
pub const ALL: &[&[(&str, &str)]] = &[
    migrate::STATEMENTS,
    account::STATEMENTS,
    login_network::STATEMENTS,
    token::STATEMENTS,
    audit::STATEMENTS,
    queue::STATEMENTS,
    submit::STATEMENTS,
    idempotency::STATEMENTS,
    lease::STATEMENTS,
    progress::STATEMENTS,
    outcomes::STATEMENTS,
    wake_ups::STATEMENTS,
    retention::STATEMENTS,
];
