//! The consumers of wake-ups. Each lane has a queue in RabbitMQ and some consumers in this process; a consumer processes
//! one import at a time.
//!
//! A consumer receives one wake-up, claims the import in Postgres and processes it. The delivery is settled when the import
//! has ended or a second after the claim, whichever comes first, and in the second case the consumer has no subscription
//! until it is idle again. So no delivery is held for as long as an import may run, and none waits for a busy consumer:
//! RabbitMQ's `consumer_timeout` never applies.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use rollcall_schema::crash_point::{self, CrashPoint};
use rollcall_schema::lane::Lane;
use rollcall_schema::rabbitmq::connection::{Broker, BrokerError};
use rollcall_schema::rabbitmq::consumer::{Concurrency, QueueConsumer, Received};
use rollcall_schema::rabbitmq::messages::WakeUp;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::runner::Runner;

/// How long a delivery is held while its import is processed. A small import ends within it, and the subscription stays: to
/// cancel one and to begin another are entries in the log of a quorum queue, each written to disk.
const HOLD_LIMIT: Duration = Duration::from_secs(1);

/// Receives the wake-ups of a lane and processes their imports, one at a time.
#[derive(Clone)]
pub struct Consumer {
    pub lane: Lane,
    pub broker: Arc<Broker>,
    pub runner: Runner,
}

impl Consumer {
    /// Runs until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let consumer = QueueConsumer {
            broker: &self.broker,
            queue: self.broker.topology().queue(self.lane),
            tag: self.lane.as_str(),
            // One delivery: another one would wait here while a different consumer is idle.
            concurrency: Concurrency::Exclusive,
        };
        consumer.run(&stop, |received| self.handle_delivery(received, &stop)).await;
    }

    /// Claims the import of a wake-up, processes it, and settles the delivery.
    async fn handle_delivery(&self, received: Received, stop: &CancellationToken) -> Result<(), BrokerError> {
        let queue = self.broker.topology().queue(self.lane);
        let Some(wake_up) = WakeUp::read(received.body(), received.headers()) else {
            tracing::error!(queue, "rejected a message that is not a wake-up; see the dead letters");
            received.cancel_subscription().await?;
            return received.reject().await;
        };
        let Some(slot) = self.runner.slots.try_take(self.lane) else {
            return self.return_delivery(received, stop).await;
        };
        let span = tracing::info_span!(
            "process import",
            otel.name = format!("process {queue}"),
            otel.kind = "consumer",
            otel.status_code = tracing::field::Empty,
            messaging.system = "rabbitmq",
            messaging.operation.type = "process",
            messaging.destination.name = queue,
            messaging.message.id = %wake_up.import,
            rollcall.tenant.id = %wake_up.tenant,
            rollcall.import.id = %wake_up.import,
            rollcall.import.attempt = tracing::field::Empty,
        );
        wake_up.trace.adopt(&span);
        let (claimed, upload) = tokio::join!(
            self.runner.claim(&wake_up, stop).instrument(span.clone()),
            self.runner.open_upload(&wake_up)
        );
        let Some(claimed) = claimed else {
            // The relay publishes again what is still due.
            drop(slot);
            return settle(&wake_up, &received).await;
        };
        span.record("rollcall.import.attempt", claimed.lease.attempt);
        let mut processing = pin!(self.runner.process(&claimed, upload, stop).instrument(span));
        if timeout(HOLD_LIMIT, &mut processing).await.is_ok() {
            // Free before the next delivery comes.
            drop(slot);
            return settle(&wake_up, &received).await;
        }
        let settling = async {
            // Before the delivery is settled: after that, RabbitMQ would send the next one.
            received.cancel_subscription().await?;
            settle(&wake_up, &received).await
        };
        // A claimed import is processed even if the connection to RabbitMQ has been lost meanwhile.
        let (settled, ()) = tokio::join!(settling, processing);
        drop(slot);
        settled
    }

    /// Every slot is taken, because an overdue import has this consumer's: leaves the wake-up to another worker, and
    /// receives the next one when a slot is free.
    async fn return_delivery(&self, received: Received, stop: &CancellationToken) -> Result<(), BrokerError> {
        received.cancel_subscription().await?;
        received.requeue().await?;
        self.runner.slots.wait_for_free(self.lane, stop).await;
        Ok(())
    }
}

async fn settle(wake_up: &WakeUp, received: &Received) -> Result<(), BrokerError> {
    crash_point::reached_for(wake_up.tenant, CrashPoint::BeforeWakeUpAck);
    received.ack().await?;
    crash_point::reached_for(wake_up.tenant, CrashPoint::AfterWakeUpAck);
    Ok(())
}
