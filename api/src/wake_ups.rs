//! Publishing wake-ups beside the requests: no request waits for RabbitMQ, none fails with it. What could not be
//! published the workers' relay publishes later.

use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};

use rollcall_schema::broker::{Broker, BrokerError};
use rollcall_schema::import;
use rollcall_schema::telemetry::TraceContext;
use rollcall_schema::wake_up::{Lane, WakeUp};
use tokio::sync::Semaphore;
use tracing::Instrument as _;

use crate::state::App;

/// Wake-ups on their way at once. Further ones are left to the relay: while RabbitMQ does not answer they would
/// only pile up.
const UNDER_WAY: usize = 64;

/// The way to the workers.
pub struct WakeUps {
    broker: Broker,
    places: Semaphore,
    away: AtomicBool,
}

impl WakeUps {
    /// Prepares the way; connects when first needed.
    pub fn new(broker: Broker) -> Self {
        Self { broker, places: Semaphore::new(UNDER_WAY), away: AtomicBool::new(false) }
    }

    /// Whether RabbitMQ can be reached now.
    pub async fn check(&self) -> Result<(), BrokerError> {
        self.broker.check().await
    }

    fn tell_outage(&self, error: &BrokerError) {
        if !self.away.swap(true, Ordering::Relaxed) {
            let error = error as &(dyn Error + 'static);
            tracing::warn!(error, "RabbitMQ is away: imports are accepted, and run when it is back");
        }
    }

    fn tell_return(&self) {
        if self.away.swap(false, Ordering::Relaxed) {
            tracing::info!("RabbitMQ is back");
        }
    }
}

/// Publishes the wake-up of an import that was just submitted and is the head of its line.
pub fn publish(app: &App, lane: Lane, mut wake_up: WakeUp) {
    let exchange = app.wake_ups.broker.exchange();
    let span = tracing::info_span!(
        "publish",
        otel.name = format!("publish {exchange}"),
        otel.kind = "producer",
        otel.status_code = tracing::field::Empty,
        messaging.system = "rabbitmq",
        messaging.operation.name = "publish",
        messaging.operation.type = "send",
        messaging.destination.name = exchange,
        messaging.rabbitmq.destination.routing_key = lane.as_str(),
        messaging.message.id = %wake_up.import,
    );
    let app = app.clone();
    let tasks = app.tasks.clone();
    let publish = async move {
        let Ok(_place) = app.wake_ups.places.try_acquire() else { return };
        // The worker's span is a child of this one.
        wake_up.trace = TraceContext::current();
        if let Err(error) = app.wake_ups.broker.publish(lane, &wake_up).await {
            tracing::Span::current().record("otel.status_code", "ERROR");
            app.wake_ups.tell_outage(&error);
            return;
        }
        app.wake_ups.tell_return();
        let recorded = async {
            let mut conn = app.database.connection().await?;
            // Just submitted: nobody had claimed it.
            Ok::<_, rollcall_schema::database::DatabaseError>(
                import::record_woken(&mut conn, wake_up.tenant, wake_up.import, 0).await?,
            )
        };
        if let Err(error) = recorded.await {
            let error = &error as &(dyn Error + 'static);
            tracing::warn!(
                error,
                "a wake-up was published but could not be recorded; it may be published twice"
            );
        }
    };
    tasks.spawn(publish.instrument(span));
}
