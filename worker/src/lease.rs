//! The lease of a claimed import: renewed while a worker processes the import, released or ended with it.
//!
//! A lease carries the fencing token (the attempt number). A worker whose lease is lost can do no harm: no transaction
//! commits whose token is not the import's.

use std::time::Duration;

use rollcall_schema::imports::lease::{self, Lease, LeaseError, Release};
use rollcall_schema::imports::model::Ending;
use rollcall_schema::imports::progress;
use rollcall_schema::postgres::client::Session;
use rollcall_schema::postgres::error::DatabaseError;
use rollcall_schema::postgres::pool::Database;
use tokio::time::{Instant, sleep};
use tokio_util::sync::{CancellationToken, DropGuard};

/// The pause before a renewal that failed is tried again.
const RENEWAL_RETRY_PAUSE: Duration = Duration::from_millis(500);

/// Ends an import that has no more rows to merge.
pub async fn end_import(database: &Database, lease: &Lease, ending: &Ending) -> Result<(), LeaseError> {
    progress::finish(&session(database, lease).await?, lease, ending).await
}

/// Releases an import, to be claimed again.
pub async fn release(database: &Database, lease: &Lease, release: Release<'_>) -> Result<(), LeaseError> {
    lease::release(&session(database, lease).await?, lease, release).await
}

async fn session(database: &Database, lease: &Lease) -> Result<Session, DatabaseError> {
    database.session_for(lease.tenant).await
}

async fn renew(database: &Database, lease: &Lease) -> Result<(), LeaseError> {
    lease::renew(&session(database, lease).await?, lease).await
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
    let mut pause = period;
    let mut expires = Instant::now() + lease.length;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(pause) => {}
        }
        let started = Instant::now();
        // A connection that was lost is replaced at once: the lease must not expire because several were.
        pause = RENEWAL_RETRY_PAUSE.min(period);
        match tokio::time::timeout(lease.length / 2, renew(&database, &lease)).await {
            Ok(Ok(())) => {
                expires = started + lease.length;
                pause = period;
            }
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
