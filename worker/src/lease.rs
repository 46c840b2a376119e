//! Keeps a lease alive while its import is worked on, and says when it is lost.

use std::time::Duration;

use rollcall_schema::database::{Database, DatabaseError};
use rollcall_schema::import::{self, Lease};
use tokio::time::{Instant, interval_at};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Renews a lease until it is dropped.
pub struct Heartbeat {
    lost: CancellationToken,
    _stop: DropGuard,
}

impl Heartbeat {
    /// Starts to renew, three times within the lease's length.
    pub fn start(database: Database, lease: Lease) -> Self {
        let lost = CancellationToken::new();
        let stop = CancellationToken::new();
        tokio::spawn(renew(database, lease, lost.clone(), stop.clone()));
        Self { lost, _stop: stop.drop_guard() }
    }

    /// Resolves when the lease is another's, or could not be renewed in time: nothing more may be begun. (What is
    /// under way is harmless: no transaction commits whose attempt is not the import's.)
    pub async fn lost(&self) {
        self.lost.cancelled().await;
    }
}

async fn renew(database: Database, lease: Lease, lost: CancellationToken, stop: CancellationToken) {
    let period = lease.length / 3;
    let mut ticks = interval_at(Instant::now() + period, period);
    let mut expires = Instant::now() + lease.length;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let begun = Instant::now();
        match tokio::time::timeout(lease.length, try_renew(&database, &lease)).await {
            Ok(Ok(true)) => expires = begun + lease.length,
            Ok(Ok(false)) => break,
            Ok(Err(error)) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(import = %lease.import, error, "the lease could not be renewed yet");
            }
            Err(_) => tracing::warn!(import = %lease.import, "the lease could not be renewed in time"),
        }
        if Instant::now() >= expires + Duration::from_secs(1) {
            break;
        }
    }
    // A lease whose import has just finished is not renewed either; then nobody listens.
    lost.cancel();
}

async fn try_renew(database: &Database, lease: &Lease) -> Result<bool, DatabaseError> {
    let mut conn = database.connection().await?;
    Ok(import::renew(&mut conn, lease).await?)
}
