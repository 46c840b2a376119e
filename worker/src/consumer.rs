//! The lanes: each has a queue in RabbitMQ and some slots here; a consumer works on one import at a time.
//!
//! A consumer asks the broker for one wake-up, claims the import in Postgres, settles the delivery and only then
//! begins to work; it asks for the next when it is free. So no delivery is ever held while an import runs,
//! however long it takes, and none waits behind a busy consumer: `consumer_timeout` has nothing to time out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use lapin::Channel;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions, BasicRejectOptions,
};
use lapin::types::FieldTable;
use rollcall_schema::broker::{Broker, BrokerError, CONSUMER_BELIEVED, answered};
use rollcall_schema::database::DatabaseError;
use rollcall_schema::edge::{self, Edge};
use rollcall_schema::import::{self, Claimed, Ending};
use rollcall_schema::outbox::Outbox;
use rollcall_schema::wake_up::{Lane, WakeUp};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;

use crate::hashing::hash_queue::HashQueue;
use crate::import::{AttemptOutcome, Engine, attempt, end};
use crate::retry::{Pause, ask};

/// The delay before the second attempt; four times as long with each failure up to [`LONGEST_DELAY`]. Five attempts
/// last a minute and a half: the restart of a server, or of whatever holds the uploads.
const FIRST_DELAY: Duration = Duration::from_secs(1);
/// See [`FIRST_DELAY`].
const LONGEST_DELAY: Duration = Duration::from_mins(5);

/// What a consumer works with.
#[derive(Clone)]
pub struct Consumer {
    /// Which lane it works.
    pub lane: Lane,
    /// What imports work with.
    pub engine: Engine,
    /// The way to RabbitMQ.
    pub broker: Arc<Broker>,
    /// Wakes the next import of a tenant.
    pub outbox: Outbox,
    /// Has the passwords hashed that imports leave sealed.
    pub hash_queue: HashQueue,
    /// Who holds the leases: this process.
    pub holder: Arc<str>,
    /// How long a lease lasts.
    pub lease: Duration,
    /// Failed attempts after which an import is given up.
    pub max_attempts: i32,
}

impl Consumer {
    /// Works until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut pause = Pause::default();
        while !stop.is_cancelled() {
            match self.consume(&stop, &mut pause).await {
                Ok(()) => continue,
                Err(error) => {
                    tracing::warn!(
                        lane = self.lane.as_str(),
                        error = &error as &dyn std::error::Error,
                        "no wake-ups can be had from RabbitMQ; trying again in {:?}",
                        pause.length()
                    );
                }
            }
            pause.wait(&stop).await;
        }
    }

    /// Takes wake-ups one by one over one channel, until `stop`, until the channel is lost, or until none has come for so
    /// long that it is better to ask anew.
    async fn consume(&self, stop: &CancellationToken, pause: &mut Pause) -> Result<(), BrokerError> {
        let channel = self.broker.channel().await?;
        let queue = self.broker.queue(self.lane);
        // One delivery at a time: what a busy consumer had prefetched, an idle one could not have.
        answered(channel.basic_qos(1, BasicQosOptions::default())).await?;
        loop {
            let consumer_tag = format!("{}-{}", self.lane.as_str(), uuid::Uuid::new_v4());
            let mut consumer = answered(channel.basic_consume(
                queue.as_str().into(),
                consumer_tag.as_str().into(),
                BasicConsumeOptions::default(),
                FieldTable::default(),
            ))
            .await?;
            pause.forget();
            let delivery = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(CONSUMER_BELIEVED) => return Ok(()),
                delivery = consumer.next() => delivery.ok_or(BrokerError::ConsumerEnded)??,
            };
            self.handle_delivery(&channel, &consumer_tag, delivery, stop).await?;
        }
    }

    /// Claims the import that a delivery speaks of, settles the delivery, and works.
    async fn handle_delivery(
        &self,
        channel: &Channel,
        consumer_tag: &str,
        delivery: Delivery,
        stop: &CancellationToken,
    ) -> Result<(), BrokerError> {
        let queue = self.broker.queue(self.lane);
        let cancel = channel.basic_cancel(consumer_tag.into(), BasicCancelOptions::default());
        let Some(wake_up) = WakeUp::read(&delivery.data, delivery.properties.headers().as_ref()) else {
            tracing::error!(queue, "a message that is no wake-up goes to the dead letters");
            answered(cancel).await?;
            return answered(async {
                delivery.acker.reject(BasicRejectOptions { requeue: false }).await?;
                Ok(())
            })
            .await;
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
        // Cancelled before the delivery is settled: once it is, the broker would send this consumer the next.
        let (claimed, cancelled) =
            tokio::join!(self.claim(&wake_up, stop).instrument(span.clone()), answered(cancel));
        // Settled whatever the claim said: what was not claimed now is the relay's to publish again.
        edge::pass_for(wake_up.tenant, Edge::BeforeWakeUpAck);
        let settled = answered(async {
            delivery.acker.ack(BasicAckOptions::default()).await?;
            Ok(())
        })
        .await;
        edge::pass_for(wake_up.tenant, Edge::AfterWakeUpAck);
        // What is claimed is worked on, whatever has become of the broker meanwhile.
        if let Some(claimed) = claimed {
            span.record("rollcall.import.attempt", claimed.lease.attempt);
            self.work(&claimed, stop).instrument(span).await;
        }
        cancelled.and(settled)
    }

    /// Claims the import. With a database that fails for long it is left to the relay.
    async fn claim(&self, wake_up: &WakeUp, stop: &CancellationToken) -> Option<Claimed> {
        ask(stop, || self.try_claim(wake_up)).await.flatten()
    }

    async fn try_claim(&self, wake_up: &WakeUp) -> Result<Option<Claimed>, DatabaseError> {
        let mut conn = self.engine.database.connection().await?;
        Ok(import::claim(&mut conn, wake_up.tenant, wake_up.import, &self.holder, self.lease).await?)
    }

    /// Works on a claimed import and sees to what comes after. What fails here is made good by the lease's end.
    async fn work(&self, claimed: &Claimed, stop: &CancellationToken) {
        let lease = &claimed.lease;
        if claimed.failures >= self.max_attempts {
            let why = format!(
                "The import was given up after {} attempts that failed, the last of them because its worker died or fell \
                 silent. Rows that were processed before stay so; whoever runs the service finds more in the workers' \
                 logs, by the id {}.",
                claimed.failures, lease.import
            );
            self.give_up(claimed, why, stop).await;
            return;
        }
        // A task of its own: an import that makes it panic costs its own attempt and nobody else's.
        let sealed = Arc::new(AtomicU64::new(0));
        let engine = Engine { sealed: Arc::clone(&sealed), ..self.engine.clone() };
        let attempt = attempt(engine, claimed.clone(), stop.clone()).in_current_span();
        let attempted = AbortOnDropHandle::new(tokio::spawn(attempt)).await;
        match attempted.unwrap_or_else(|broken| Err(broken.into())) {
            Ok(AttemptOutcome::Finished) => {
                tracing::info!(tenant = %lease.tenant, import = %lease.import, "finished");
                self.wake_next(claimed).await;
            }
            Ok(AttemptOutcome::LeaseLost) => {
                tracing::warn!(tenant = %lease.tenant, import = %lease.import, "the import is another worker's, or has been ended");
            }
            Ok(AttemptOutcome::Interrupted) => self.release(claimed, Duration::ZERO, false, stop).await,
            Err(error) => {
                tracing::Span::current().record("otel.status_code", "ERROR");
                let before = self.failures(claimed, stop).await;
                let failures = before + 1;
                tracing::error!(
                    tenant = %lease.tenant, import = %lease.import, failures,
                    error = &error as &dyn std::error::Error, "an attempt failed"
                );
                if failures >= self.max_attempts || !error.may_pass() {
                    let attempts =
                        if failures == 1 { "1 attempt".to_owned() } else { format!("{failures} attempts") };
                    let why = format!(
                        "The import was given up after {attempts}: {error}. Rows that were processed before stay so; \
                         whoever runs the service finds more in the workers' logs, by the id {}.",
                        lease.import
                    );
                    self.give_up(claimed, why, stop).await;
                } else {
                    self.release(claimed, delay(before), true, stop).await;
                }
            }
        }
        // However it ended, and after the tenant's next import was woken, which somebody waits for.
        self.publish_turns(claimed, sealed.load(Ordering::Relaxed)).await;
    }

    /// Attempts that failed before this one. Asked anew, because a chunk that was merged since the claim has cleared
    /// them; where the database cannot be asked the next claim counts.
    async fn failures(&self, claimed: &Claimed, stop: &CancellationToken) -> i32 {
        let failures = ask(stop, || async {
            let mut conn = self.engine.database.connection().await?;
            Ok(import::failures(&mut conn, &claimed.lease).await?)
        });
        failures.await.unwrap_or(0)
    }

    async fn give_up(&self, claimed: &Claimed, why: String, stop: &CancellationToken) {
        let ending = Ending::Abandoned(why);
        let given_up = ask(stop, || end(&self.engine.database, &claimed.lease, &ending));
        match given_up.await {
            // Its own wake-up is due among the dead letters since; nobody waits for that, so the relay sees to it.
            Some(true) => self.wake_next(claimed).await,
            Some(false) => {}
            None => tracing::warn!("an import could not be given up yet; its lease will run out"),
        }
    }

    /// Gives the import back. A database that is away is asked again: it is most often why the attempt failed, and when
    /// it is back the import need not wait for the lease's end.
    async fn release(&self, claimed: &Claimed, delay: Duration, charged: bool, stop: &CancellationToken) {
        let released = ask(stop, || async {
            let mut conn = self.engine.database.connection().await?;
            Ok(import::release(&mut conn, &claimed.lease, delay, charged).await?)
        });
        if released.await.is_none() {
            tracing::warn!("an import could not be given back; its lease will run out");
        }
    }

    async fn wake_next(&self, claimed: &Claimed) {
        if let Err(error) = self.outbox.wake_next(claimed.lease.tenant).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the tenant's next import could not be woken; the relay will"
            );
        }
    }

    async fn publish_turns(&self, claimed: &Claimed, passwords: u64) {
        if let Err(error) = self.turns.publish(claimed.lease.tenant, passwords).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "hashing turns could not be published; the relay will"
            );
        }
    }
}

/// How long to wait before the next attempt, after `failures` that failed before this one.
fn delay(failures: i32) -> Duration {
    let quadruplings = u32::try_from(failures).unwrap_or(0).min(8);
    FIRST_DELAY.saturating_mul(4_u32.pow(quadruplings)).min(LONGEST_DELAY)
}
