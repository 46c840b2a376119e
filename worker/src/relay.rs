//! The relay: publishes the wake-ups of imports that were committed and never confirmed to be in a queue, whose
//! time for another try has come, whose worker fell silent (the lease ran out), or whose wake-up seems lost. So too the
//! hashing turns of tenants whose passwords wait, and the dead letters of imports that were given up.
//!
//! Nothing depends on a publish having worked: what is not published now is still due at the next look.

use std::time::Duration;

use rollcall_schema::database::Database;
use rollcall_schema::import;
use rollcall_schema::outbox::{Outbox, PublishError};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::hashing::hash_queue::HashQueue;

/// Messages published at one look. More are due at the next.
const BATCH: i64 = 500;

/// Publishes what is due.
pub struct Relay {
    database: Database,
    outbox: Outbox,
}

impl Relay {
    /// A relay from the imports' rows to the queues.
    pub fn new(database: Database, outbox: Outbox) -> Self {
        Self { database, outbox }
    }

    /// Looks again and again until `stop`.
    pub async fn run(self, hash_queue: HashQueue, every: Duration, patience: Duration, stop: CancellationToken) {
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

    async fn publish_due(&self, patience: Duration) -> Result<(), PublishError> {
        let due = {
            let mut conn = self.database.connection().await?;
            import::due_wake_ups(&mut conn, patience, BATCH).await?
        };
        for wake_up in due {
            self.outbox.publish(&wake_up).await?;
        }
        self.outbox.publish_dead_letters(BATCH).await
    }
}
