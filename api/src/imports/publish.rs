//! Publishing wake-ups in the background: no request waits for RabbitMQ or fails because of it. The workers' relay
//! republishes what could not be published here.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rollcall_schema::ids::TenantId;
use rollcall_schema::imports::outbox::{Outbox, PublishError};
use rollcall_schema::imports::wake_ups::DueWakeUp;
use rollcall_schema::postgres::pool::Database;
use rollcall_schema::rabbitmq::connection::{Broker, BrokerError};
use rollcall_schema::rabbitmq::messages::WakeUp;
use rollcall_schema::telemetry::TraceContext;
use tokio::sync::Semaphore;
use tokio::time::sleep;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;
use tracing::field::Empty;

/// Wake-ups published at the same time. Any beyond that are left to the relay: while RabbitMQ does not respond they
/// would only pile up.
const MAX_CONCURRENT_PUBLISHES: usize = 64;

/// How long a wake-up may be answered before it is recorded that it was published. Where a worker is free, the record would
/// only be in the way of its claim.
const ANSWER_TIME: Duration = Duration::from_millis(50);

/// Publishes wake-ups in background tasks. Cheap to clone.
#[derive(Clone)]
pub struct WakeUpPublisher {
    outbox: Outbox,
    tasks: TaskTracker,
    permits: Arc<Semaphore>,
    /// Whether an outage of RabbitMQ has been logged and has not ended.
    unreachable: Arc<AtomicBool>,
}

impl WakeUpPublisher {
    /// Connects to RabbitMQ on first use.
    pub fn new(database: Database, broker: Broker, tasks: TaskTracker) -> Self {
        Self {
            outbox: Outbox::new(database, Arc::new(broker)),
            tasks,
            permits: Arc::new(Semaphore::new(MAX_CONCURRENT_PUBLISHES)),
            unreachable: Arc::default(),
        }
    }

    /// Checks that RabbitMQ can be reached.
    pub async fn check(&self) -> Result<(), BrokerError> {
        self.outbox.broker().check().await
    }

    /// Publishes the wake-up of a newly submitted import at the head of its line.
    pub fn publish(&self, due: DueWakeUp) {
        let publisher = self.clone();
        let publish = async move {
            if publisher.send(&due).await {
                sleep(ANSWER_TIME).await;
                let marked = publisher.outbox.mark_published(&due).await;
                publisher.log_outcome(&marked.map_err(PublishError::from));
            }
        };
        self.tasks.spawn(publish.in_current_span());
    }

    /// Publishes a wake-up. Returns whether RabbitMQ confirmed it.
    async fn send(&self, due: &DueWakeUp) -> bool {
        let exchange = self.outbox.broker().topology().exchange();
        let span = tracing::info_span!(
            "publish",
            otel.name = format!("publish {exchange}"),
            otel.kind = "producer",
            otel.status_code = Empty,
            messaging.system = "rabbitmq",
            messaging.operation.name = "publish",
            messaging.operation.type = "send",
            messaging.destination.name = exchange,
            messaging.rabbitmq.destination.routing_key = due.lane.as_str(),
            messaging.message.id = %due.wake_up.import,
        );
        let send = async {
            let Ok(_permit) = self.permits.try_acquire() else { return false };
            // Set here, so that the worker's span becomes a child of this one.
            let wake_up = WakeUp { trace: TraceContext::current(), ..due.wake_up.clone() };
            let outcome = self.outbox.send(&DueWakeUp { wake_up, ..due.clone() }).await;
            if outcome.is_err() {
                tracing::Span::current().record("otel.status_code", "ERROR");
            }
            let is_confirmed = outcome.is_ok();
            self.log_outcome(&outcome.map_err(PublishError::from));
            is_confirmed
        };
        send.instrument(span).await
    }

    /// Publishes the wake-up of the import that is now at the head of a tenant's line, after one of the tenant's
    /// imports was cancelled.
    pub fn publish_next(&self, tenant: TenantId) {
        let publisher = self.clone();
        let publish = async move {
            let Ok(_permit) = publisher.permits.try_acquire() else { return };
            publisher.log_outcome(&publisher.outbox.wake_next(tenant).await);
        };
        self.tasks.spawn(publish.in_current_span());
    }

    /// Logs an outage of RabbitMQ once, and its end once.
    fn log_outcome(&self, outcome: &Result<(), PublishError>) {
        match outcome {
            Ok(()) => {
                if self.unreachable.swap(false, Ordering::Relaxed) {
                    tracing::info!("reconnected to RabbitMQ");
                }
            }
            Err(PublishError::Broker(error)) => {
                if !self.unreachable.swap(true, Ordering::Relaxed) {
                    let error = error as &(dyn Error + 'static);
                    tracing::warn!(
                        error,
                        "failed to publish to RabbitMQ: imports are still accepted and run once it is back"
                    );
                }
            }
            Err(PublishError::Database(error)) => {
                let error = error as &(dyn Error + 'static);
                tracing::warn!(error, "failed to publish a wake-up, leaving it to the relay");
            }
        }
    }
}
