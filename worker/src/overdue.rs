//! Starts imports whose wake-up no worker has answered for as long as a lease lasts: it was lost with its queue, waits at a
//! worker that is frozen, or RabbitMQ accepts no messages. A worker with a free slot claims them without RabbitMQ. So every
//! import begins within a lease and a sweep of becoming due, as long as a slot is free.

use std::time::Duration;

use rollcall_schema::imports::wake_ups;
use rollcall_schema::lane::Lane;
use rollcall_schema::postgres::error::DatabaseError;
use rollcall_schema::rabbitmq::messages::WakeUp;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::runner::Runner;
use crate::slots::Slot;

/// Starts overdue imports.
pub struct OverdueImports {
    pub runner: Runner,
}

impl OverdueImports {
    /// Looks for overdue imports at this interval until `stop`, for the first time after the length of a lease: until then
    /// wake-ups may be on their way to this worker. Then waits for those that are running.
    pub async fn run(self, every: Duration, stop: CancellationToken) {
        let mut ticks = interval_at(Instant::now() + self.runner.lease, every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut running = JoinSet::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(_) = running.join_next() => continue,
                _ = ticks.tick() => {}
            }
            for &lane in Lane::ALL {
                match self.overdue(lane).await {
                    Ok(overdue) => {
                        for (wake_up, slot) in overdue {
                            running.spawn(start(self.runner.clone(), lane, wake_up, slot, stop.clone()));
                        }
                    }
                    // The relay says so.
                    Err(error) => {
                        tracing::debug!(
                            error = &error as &dyn std::error::Error,
                            "cannot look for overdue imports"
                        );
                    }
                }
            }
        }
        while running.join_next().await.is_some() {}
    }

    /// The overdue imports of a lane, as many as there are free slots, each with a slot.
    async fn overdue(&self, lane: Lane) -> Result<Vec<(WakeUp, Slot)>, DatabaseError> {
        let slots = &self.runner.slots;
        let free = i64::try_from(slots.free(lane)).unwrap_or(i64::MAX);
        if free == 0 {
            return Ok(Vec::new());
        }
        let heads = {
            let session = self.runner.engine.database.session_for_all().await?;
            wake_ups::overdue_heads(&session, lane, self.runner.lease, free).await?
        };
        Ok(heads.into_iter().map_while(|wake_up| Some((wake_up, slots.try_take(lane)?))).collect())
    }
}

async fn start(runner: Runner, lane: Lane, wake_up: WakeUp, slot: Slot, stop: CancellationToken) {
    let span = tracing::info_span!(
        "process import",
        otel.name = "process overdue import",
        otel.status_code = tracing::field::Empty,
        rollcall.tenant.id = %wake_up.tenant,
        rollcall.import.id = %wake_up.import,
        rollcall.import.attempt = tracing::field::Empty,
        rollcall.lane = lane.as_str(),
    );
    wake_up.trace.adopt(&span);
    let run = async {
        if let Some(claimed) = runner.claim(&wake_up, &stop).await {
            tracing::Span::current().record("rollcall.import.attempt", claimed.lease.attempt);
            runner.process(&claimed, None, &stop).await;
        }
        drop(slot);
    };
    run.instrument(span).await;
}
