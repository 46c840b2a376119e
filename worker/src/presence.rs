//! Reports to the database that the worker lives, for as long as it does and whatever its imports do. When a lease of the
//! worker has expired, that tells whether the worker died or the database was away.

use std::sync::Arc;
use std::time::Duration;

use rollcall_schema::imports::workers::{self, Report};
use rollcall_schema::lane::Lane;
use rollcall_schema::postgres::error::DatabaseError;
use rollcall_schema::postgres::pool::Database;
use rollcall_schema::rabbitmq::connection::Broker;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::slots::Slots;

/// The longest pause before a report that failed is tried again.
const MAX_RETRY_PAUSE: Duration = Duration::from_secs(1);
/// How long the report that the worker stops may take.
const STOPPING_TIMEOUT: Duration = Duration::from_secs(5);

/// Reports that the worker lives.
pub struct Presence {
    pub database: Database,
    pub broker: Arc<Broker>,
    pub slots: Slots,
    /// The holder of the worker's leases.
    pub holder: Arc<str>,
    /// The length of a lease.
    pub lease: Duration,
}

impl Presence {
    /// Reports, several times within half a lease, until `stop`. Then reports that the worker stops.
    pub async fn run(self, stop: CancellationToken) {
        // A worker that is silent for longer, while others reach the database, counts as dead.
        let silent_after = self.lease / 2;
        let period = silent_after / 3;
        while !stop.is_cancelled() {
            let pause = match timeout(silent_after, self.report(silent_after)).await {
                Ok(Ok(())) => period,
                Ok(Err(error)) => {
                    tracing::debug!(
                        error = &error as &dyn std::error::Error,
                        "reporting to the database failed"
                    );
                    period.min(MAX_RETRY_PAUSE)
                }
                Err(_) => Duration::ZERO,
            };
            let _ = stop.run_until_cancelled(sleep(pause)).await;
        }
        if !matches!(timeout(STOPPING_TIMEOUT, self.mark_stopping()).await, Ok(Ok(()))) {
            tracing::warn!("could not tell the database that this worker stops");
        }
    }

    async fn report(&self, silent_after: Duration) -> Result<(), DatabaseError> {
        let report = Report {
            silent_after,
            broker: self.broker.state(),
            free_small: self.slots.free(Lane::Small),
            free_bulk: self.slots.free(Lane::Bulk),
        };
        let session = self.database.session_for_all().await?;
        Ok(workers::report(&session, &self.holder, report).await?)
    }

    async fn mark_stopping(&self) -> Result<(), DatabaseError> {
        let session = self.database.session_for_all().await?;
        Ok(workers::mark_stopping(&session, &self.holder).await?)
    }
}
