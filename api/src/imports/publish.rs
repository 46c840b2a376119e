//! Publishing wake-ups beside the requests: no request waits for RabbitMQ, none fails with it. What could not be
//! published the workers' relay publishes later.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rollcall_schema::broker::{Broker, BrokerError};
use rollcall_schema::database::Database;
use rollcall_schema::ids::TenantId;
use rollcall_schema::import::DueWakeUp;
use rollcall_schema::outbox::{Outbox, PublishError};
use rollcall_schema::telemetry::TraceContext;
use tokio::sync::Semaphore;
use tracing::Instrument as _;

use crate::state::App;

/// Wake-ups on their way at once. Further ones are left to the relay: while RabbitMQ does not answer they would
/// only pile up.
const MAX_CONCURRENT_PUBLISHES: usize = 64;

/// The way to the workers.
pub struct WakeUpPublisher {
    outbox: Outbox,
    permits: Semaphore,
    unreachable: AtomicBool,
}

impl WakeUpPublisher {
    /// Prepares the way; connects when first needed.
    pub fn new(database: Database, broker: Broker) -> Self {
        Self {
            outbox: Outbox::new(database, Arc::new(broker)),
            permits: Semaphore::new(MAX_CONCURRENT_PUBLISHES),
            unreachable: AtomicBool::new(false),
        }
    }

    /// Whether RabbitMQ can be reached now.
    pub async fn check(&self) -> Result<(), BrokerError> {
        self.outbox.broker().check().await
    }

    /// Tells of an outage once, and once of its end.
    fn log_outcome(&self, published: &Result<(), PublishError>) {
        match published {
            Ok(()) => self.log_recovery(),
            Err(PublishError::Broker(error)) => self.log_outage(error),
            Err(PublishError::Database(error)) => {
                let error = error as &(dyn Error + 'static);
                tracing::warn!(error, "a wake-up is left to the relay");
            }
        }
    }

    fn log_outage(&self, error: &BrokerError) {
        if !self.unreachable.swap(true, Ordering::Relaxed) {
            let error = error as &(dyn Error + 'static);
            tracing::warn!(error, "RabbitMQ is away: imports are accepted, and run when it is back");
        }
    }

    fn log_recovery(&self) {
        if self.unreachable.swap(false, Ordering::Relaxed) {
            tracing::info!("RabbitMQ is back");
        }
    }
}

/// Publishes the wake-up of an import that was just submitted and is the head of its line.
pub fn publish(app: &App, mut due: DueWakeUp) {
    let exchange = app.publisher.outbox.broker().exchange();
    let span = tracing::info_span!(
        "publish",
        otel.name = format!("publish {exchange}"),
        otel.kind = "producer",
        otel.status_code = tracing::field::Empty,
        messaging.system = "rabbitmq",
        messaging.operation.name = "publish",
        messaging.operation.type = "send",
        messaging.destination.name = exchange,
        messaging.rabbitmq.destination.routing_key = due.lane.as_str(),
        messaging.message.id = %due.wake_up.import,
    );
    let tasks = app.tasks.clone();
    let app = app.clone();
    let publish = async move {
        let Ok(_permit) = app.publisher.permits.try_acquire() else { return };
        // The worker's span is a child of this one.
        due.wake_up.trace = TraceContext::current();
        let published = app.publisher.outbox.publish(&due).await;
        if published.is_err() {
            tracing::Span::current().record("otel.status_code", "ERROR");
        }
        app.publisher.log_outcome(&published);
    };
    tasks.spawn(publish.instrument(span));
}

/// Wakes the head of a tenant's line, of which an import was cancelled.
pub fn publish_next(app: &App, tenant: TenantId) {
    let tasks = app.tasks.clone();
    let app = app.clone();
    let wake = async move {
        let Ok(_permit) = app.publisher.permits.try_acquire() else { return };
        app.publisher.log_outcome(&app.publisher.outbox.wake_next(tenant).await);
    };
    tasks.spawn(wake.in_current_span());
}
