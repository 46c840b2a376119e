//! The consumers of wake-ups. Each lane has a queue in RabbitMQ and some consumers in this process; a consumer processes
//! one import at a time.
//!
//! A consumer receives one wake-up, claims the import in Postgres, settles the delivery, and only then starts to process
//! the import; it receives the next wake-up when it is idle again. So no delivery is held while an import runs, however
//! long it takes, and none waits for a busy consumer: RabbitMQ's `consumer_timeout` never applies.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rollcall_schema::crash_point::{self, CrashPoint};
use rollcall_schema::imports::lease::{self, ClaimedImport, LeaseError};
use rollcall_schema::imports::model::Ending;
use rollcall_schema::imports::outbox::Outbox;
use rollcall_schema::lane::Lane;
use rollcall_schema::postgres::error::DatabaseError;
use rollcall_schema::rabbitmq::connection::{Broker, BrokerError};
use rollcall_schema::rabbitmq::consumer::{Concurrency, QueueConsumer, Received};
use rollcall_schema::rabbitmq::messages::WakeUp;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;

use crate::attempt::{AttemptError, AttemptOutcome};
use crate::engine::Engine;
use crate::hashing::hash_queue::HashQueue;
use crate::import::run;
use crate::lease::{end_import, release};
use crate::retry::retry_database;

/// The delay before the second attempt. It quadruples with each failure up to [`MAX_RETRY_DELAY`]. Five attempts last a
/// minute and a half: enough for the restart of a server, or of what stores the uploads.
const FIRST_RETRY_DELAY: Duration = Duration::from_secs(1);
/// See [`FIRST_RETRY_DELAY`].
const MAX_RETRY_DELAY: Duration = Duration::from_mins(5);

/// Receives the wake-ups of a lane and processes their imports, one at a time.
#[derive(Clone)]
pub struct Consumer {
    pub lane: Lane,
    pub engine: Engine,
    pub broker: Arc<Broker>,
    /// Wakes the next import of a tenant.
    pub outbox: Outbox,
    /// Requests hashing of the passwords that imports have sealed.
    pub hash_queue: HashQueue,
    /// The holder of the leases: this process.
    pub holder: Arc<str>,
    /// The length of a lease.
    pub lease: Duration,
    /// Failed attempts after which an import is abandoned.
    pub max_attempts: i32,
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

    /// Claims the import of a wake-up, settles the delivery, and processes the import.
    async fn handle_delivery(&self, received: Received, stop: &CancellationToken) -> Result<(), BrokerError> {
        let queue = self.broker.topology().queue(self.lane);
        let Some(wake_up) = WakeUp::read(received.body(), received.headers()) else {
            tracing::error!(queue, "rejected a message that is not a wake-up; see the dead letters");
            received.cancel_subscription().await?;
            return received.reject().await;
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
        // The subscription is cancelled before the delivery is settled: after that, RabbitMQ would send the next one.
        let (claimed, cancelled) =
            tokio::join!(self.claim(&wake_up, stop).instrument(span.clone()), received.cancel_subscription());
        // Settled whether or not the import was claimed: the relay publishes again what is still due.
        crash_point::reached_for(wake_up.tenant, CrashPoint::BeforeWakeUpAck);
        let settled = received.ack().await;
        crash_point::reached_for(wake_up.tenant, CrashPoint::AfterWakeUpAck);
        // A claimed import is processed even if the connection to RabbitMQ has been lost meanwhile.
        if let Some(claimed) = claimed {
            span.record("rollcall.import.attempt", claimed.lease.attempt);
            self.process(&claimed, stop).instrument(span).await;
        }
        cancelled.and(settled)
    }

    /// Claims an import. If the database keeps failing the import is left to the relay.
    async fn claim(&self, wake_up: &WakeUp, stop: &CancellationToken) -> Option<ClaimedImport> {
        match retry_database(stop, || self.try_claim(wake_up)).await {
            Ok(claimed) => claimed,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(import = %wake_up.import, error, "claiming an import failed; the relay will wake it again");
                None
            }
        }
    }

    async fn try_claim(&self, wake_up: &WakeUp) -> Result<Option<ClaimedImport>, DatabaseError> {
        let session = self.engine.database.session_for(wake_up.tenant).await?;
        Ok(lease::claim(&session, wake_up.tenant, wake_up.import, &self.holder, self.lease).await?)
    }

    /// Processes a claimed import and does what follows from the outcome. If that fails, another worker claims the import
    /// when the lease has expired.
    async fn process(&self, claimed: &ClaimedImport, stop: &CancellationToken) {
        let lease = &claimed.lease;
        if claimed.failures >= self.max_attempts {
            let why = format!(
                "The import was given up after {} attempts that failed, the last of them because its worker died or \
                 stopped responding. Rows processed before remain in effect; the operator finds details in the \
                 workers' logs, under the id {}.",
                claimed.failures, lease.import
            );
            self.abandon(claimed, why, stop).await;
            return;
        }
        let sealed_passwords = Arc::new(AtomicU64::new(0));
        // A task of its own: an import that panics fails only its own attempt.
        let attempt = run(self.engine.clone(), claimed.clone(), Arc::clone(&sealed_passwords), stop.clone());
        let outcome = AbortOnDropHandle::new(tokio::spawn(attempt.in_current_span())).await;
        match outcome.unwrap_or_else(|panicked| Err(panicked.into())) {
            Ok(AttemptOutcome::Finished) => {
                tracing::info!(tenant = %lease.tenant, import = %lease.import, "import finished");
                self.wake_next(claimed).await;
            }
            Ok(AttemptOutcome::Interrupted) => self.release(claimed, Duration::ZERO, false, stop).await,
            Err(AttemptError::LeaseLost) => {
                tracing::warn!(
                    tenant = %lease.tenant, import = %lease.import,
                    "lease lost: another worker has claimed the import, or it has ended"
                );
            }
            Err(error) => self.handle_failure(claimed, &error, stop).await,
        }
        // However the attempt ended, and only after the tenant's next import was woken: a client waits for that one.
        self.request_hashing(claimed, sealed_passwords.load(Ordering::Relaxed)).await;
    }

    async fn handle_failure(&self, claimed: &ClaimedImport, error: &AttemptError, stop: &CancellationToken) {
        let lease = &claimed.lease;
        tracing::Span::current().record("otel.status_code", "ERROR");
        let before = self.previous_failures(claimed, stop).await;
        let failures = before + 1;
        tracing::error!(
            tenant = %lease.tenant, import = %lease.import, failures,
            error = error as &dyn std::error::Error, "an attempt at an import failed"
        );
        if failures >= self.max_attempts || !error.is_transient() {
            let attempts =
                if failures == 1 { "1 attempt".to_owned() } else { format!("{failures} attempts") };
            let why = format!(
                "The import was given up after {attempts}: {error}. Rows processed before remain in effect; \
                 the operator finds details in the workers' logs, under the id {}.",
                lease.import
            );
            self.abandon(claimed, why, stop).await;
        } else {
            self.release(claimed, retry_delay(before), true, stop).await;
        }
    }

    /// Attempts that failed before this one. Read from the database, because a chunk that was merged since the claim has
    /// reset the count. If the database keeps failing, the next claim counts.
    async fn previous_failures(&self, claimed: &ClaimedImport, stop: &CancellationToken) -> i32 {
        let failures = retry_database(stop, async || -> Result<i32, DatabaseError> {
            let mut conn = self.engine.database.connection_for(claimed.lease.tenant).await?;
            Ok(lease::failures(&mut conn, &claimed.lease).await?)
        });
        failures.await.unwrap_or(0)
    }

    async fn abandon(&self, claimed: &ClaimedImport, why: String, stop: &CancellationToken) {
        let ending = Ending::Abandoned(why);
        let ended = retry_database(stop, || end_import(&self.engine.database, &claimed.lease, &ending));
        match ended.await {
            // The import's dead letter is due as well, but nothing waits for it: it is left to the relay.
            Ok(()) => self.wake_next(claimed).await,
            Err(LeaseError::Lost) => {}
            Err(LeaseError::Database(error)) => {
                let (import, error) = (claimed.lease.import, &error as &dyn std::error::Error);
                tracing::warn!(%import, error, "abandoning an import failed; its lease will expire");
            }
        }
    }

    /// Releases an import. Retried while the database fails: a failing database is the most frequent reason for a failed
    /// attempt, and once it is back the import need not wait for the end of the lease.
    async fn release(
        &self,
        claimed: &ClaimedImport,
        delay: Duration,
        charged: bool,
        stop: &CancellationToken,
    ) {
        let released =
            retry_database(stop, || release(&self.engine.database, &claimed.lease, delay, charged));
        if let Err(LeaseError::Database(error)) = released.await {
            let (import, error) = (claimed.lease.import, &error as &dyn std::error::Error);
            tracing::warn!(%import, error, "releasing an import failed; its lease will expire");
        }
    }

    async fn wake_next(&self, claimed: &ClaimedImport) {
        if let Err(error) = self.outbox.wake_next(claimed.lease.tenant).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "waking the tenant's next import failed; the relay will wake it"
            );
        }
    }

    async fn request_hashing(&self, claimed: &ClaimedImport, passwords: u64) {
        if let Err(error) = self.hash_queue.publish(claimed.lease.tenant, passwords).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "publishing hash batch requests failed; the relay will publish them"
            );
        }
    }
}

/// The delay before the next attempt, after this many failures before the one at hand.
fn retry_delay(failures: i32) -> Duration {
    let quadruplings = u32::try_from(failures).unwrap_or(0).min(8);
    FIRST_RETRY_DELAY.saturating_mul(4_u32.pow(quadruplings)).min(MAX_RETRY_DELAY)
}
