//! The relay: publishes the wake-ups of imports that were committed and never confirmed to be in a queue, whose
//! time for another try has come, whose worker fell silent, or whose wake-up seems lost. So too the hashing turns of
//! tenants whose passwords wait.
//!
//! Nothing depends on a publish having worked: what is not published now is still due at the next look.

use std::sync::Arc;
use std::time::Duration;

use rollcall_schema::broker::{Broker, BrokerError};
use rollcall_schema::database::{Database, DatabaseError};
use rollcall_schema::ids::TenantId;
use rollcall_schema::import::{self, DueWakeUp};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::hashing::turns::Turns;

/// Wake-ups published at one look. More are due at the next.
const BATCH: i64 = 500;

/// Publishes wake-ups, and keeps that it did.
#[derive(Clone)]
pub struct Relay {
    database: Database,
    broker: Arc<Broker>,
}

/// Why a wake-up was not published. It stays due.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The database did not say what is due.
    #[error("the database could not be asked for due wake-ups")]
    Database(#[from] DatabaseError),
    /// RabbitMQ did not take it.
    #[error("RabbitMQ did not take a wake-up")]
    Broker(#[from] BrokerError),
}

impl From<diesel::result::Error> for RelayError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Database(error.into())
    }
}

impl Relay {
    /// A relay between the two.
    pub fn new(database: Database, broker: Arc<Broker>) -> Self {
        Self { database, broker }
    }

    /// Looks again and again until `stop`.
    pub async fn run(self, turns: Turns, every: Duration, patience: Duration, stop: CancellationToken) {
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failing = false;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let published = self.publish_due(patience).await;
            // Imports first: somebody waits for them.
            match published.and(turns.publish_due(patience).await) {
                Ok(()) if failing => {
                    failing = false;
                    tracing::info!("wake-ups are published again");
                }
                // Once per outage: it is looked at again every few seconds.
                Err(error) if !failing => {
                    failing = true;
                    tracing::warn!(error = &error as &dyn std::error::Error, "wake-ups wait to be published");
                }
                Ok(()) | Err(_) => {}
            }
        }
    }

    async fn publish_due(&self, patience: Duration) -> Result<(), RelayError> {
        let due = {
            let mut conn = self.database.connection().await?;
            import::due_wake_ups(&mut conn, patience, BATCH).await?
        };
        for wake_up in due {
            self.publish(&wake_up).await?;
        }
        Ok(())
    }

    /// Wakes the head of a tenant's line, when another import of the tenant has finished.
    pub async fn wake_next(&self, tenant: TenantId) -> Result<(), RelayError> {
        let next = {
            let mut conn = self.database.connection().await?;
            import::next_in_line(&mut conn, tenant).await?
        };
        match next {
            Some(next) => self.publish(&next).await,
            None => Ok(()),
        }
    }

    async fn publish(&self, due: &DueWakeUp) -> Result<(), RelayError> {
        self.broker.publish(due.lane, &due.wake_up).await?;
        let mut conn = self.database.connection().await?;
        Ok(import::record_woken(&mut conn, due.wake_up.tenant, due.wake_up.import, due.attempts).await?)
    }
}
