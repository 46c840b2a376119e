//! The lease of a claimed import: renewed while a worker processes the import, released or ended with it.
//!
//! A lease carries the fencing token (the attempt number). A worker whose lease is lost can do no harm: no transaction
//! commits whose token is not the import's.

use std::time::Duration;

use rollcall_schema::imports::lease::{self, Lease, LeaseError};
use rollcall_schema::imports::model::Ending;
use rollcall_schema::imports::progress;
use rollcall_schema::postgres::pool::Database;
use tokio::time::{Instant, interval_at};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Ends an import that has no more rows to merge.
pub async fn end_import(database: &Database, lease: &Lease, ending: &Ending) -> Result<(), LeaseError> {
    progress::finish(&database.session_for(lease.tenant).await?, lease, ending).await
}

/// Releases an import, to be claimed again after `delay`. `charged` counts the attempt as a failure.
pub async fn release(
    database: &Database,
    lease: &Lease,
    delay: Duration,
    charged: bool,
) -> Result<(), LeaseError> {
    lease::release(&database.session_for(lease.tenant).await?, lease, delay, charged).await
}

async fn renew(database: &Database, lease: &Lease) -> Result<(), LeaseError> {
    lease::renew(&database.session_for(lease.tenant).await?, lease).await
}

/// Renews a lease until it is dropped.
pub struct Heartbeat {
    lost: CancellationToken,
    _stop: DropGuard,
}

impl Heartbeat {
    /// Starts to renew the lease, three times within its length.
    pub fn start(database: Database, lease: Lease) -> Self {
        let lost = CancellationToken::new();
        let stop = CancellationToken::new();
        tokio::spawn(keep_renewing(database, lease, lost.clone(), stop.clone()));
        Self { lost, _stop: stop.drop_guard() }
    }

    /// Resolves when the lease is lost or could not be renewed in time. Then no more work may be started.
    pub async fn lost(&self) {
        self.lost.cancelled().await;
    }
}

async fn keep_renewing(database: Database, lease: Lease, lost: CancellationToken, stop: CancellationToken) {
    let period = lease.length / 3;
    let mut ticks = interval_at(Instant::now() + period, period);
    let mut expires = Instant::now() + lease.length;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let started = Instant::now();
        match tokio::time::timeout(lease.length, renew(&database, &lease)).await {
            Ok(Ok(())) => expires = started + lease.length,
            Ok(Err(LeaseError::Lost)) => break,
            Ok(Err(error)) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(import = %lease.import, error, "renewing the lease failed; retrying");
            }
            Err(_) => tracing::warn!(import = %lease.import, "renewing the lease timed out; retrying"),
        }
        if Instant::now() >= expires + Duration::from_secs(1) {
            break;
        }
    }
    // The lease of an import that has just finished cannot be renewed either, but then nothing waits for `lost`.
    lost.cancel();
}
