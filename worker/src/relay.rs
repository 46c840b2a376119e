//! The relay: publishes wake-ups that are due. These are the wake-ups of imports that were committed but whose publication
//! was never confirmed, that are to be retried now, whose worker has stopped renewing the lease, or whose wake-up may be
//! lost. It also publishes hash batch requests of tenants whose passwords wait, and the dead letters of abandoned imports.
//!
//! Nothing depends on a publication succeeding: what is not published now is still due in the next sweep.

use std::time::Duration;

use rollcall_schema::imports::outbox::{Outbox, PublishError};
use rollcall_schema::imports::wake_ups;
use rollcall_schema::postgres::pool::Database;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::hashing::hash_queue::HashQueue;

/// Messages of each kind published in one sweep. The others are due in the next.
const MAX_MESSAGES_PER_SWEEP: i64 = 500;

/// Publishes what is due.
pub struct Relay {
    pub database: Database,
    pub outbox: Outbox,
    pub hash_queue: HashQueue,
    /// How long after a wake-up without effect the next one is published.
    pub republish_after: Duration,
}

impl Relay {
    /// Sweeps at this interval until `stop`.
    pub async fn run(self, every: Duration, stop: CancellationToken) {
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failing = false;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            // Imports first: clients wait for them.
            let published = self.publish_due().await;
            match published.and(self.hash_queue.publish_due(self.republish_after).await) {
                Ok(()) if failing => {
                    failing = false;
                    tracing::info!("publishing messages works again");
                }
                // Logged once for each outage, not for each sweep.
                Err(error) if !failing => {
                    failing = true;
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "publishing messages failed; retrying every {every:?}"
                    );
                }
                Ok(()) | Err(_) => {}
            }
        }
    }

    async fn publish_due(&self) -> Result<(), PublishError> {
        let due = {
            let session = self.database.session_for_all().await?;
            wake_ups::due_wake_ups(&session, self.republish_after, MAX_MESSAGES_PER_SWEEP).await?
        };
        for wake_up in due {
            self.outbox.publish(&wake_up).await?;
        }
        self.outbox.publish_dead_letters(MAX_MESSAGES_PER_SWEEP).await
    }
}
