//! Receives the deliveries of a queue, for as long as the process runs: subscribes, passes each delivery to a handler, and
//! subscribes again when the subscription is lost or has been silent for long.
//!
//! It does not know what a message means. It settles no delivery: the handler does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions, BasicRejectOptions,
};
use lapin::types::FieldTable;
use lapin::{Channel, Consumer};
use tokio_util::sync::CancellationToken;

use super::connection::{Broker, BrokerError, with_timeout};

/// How long a silent subscription is trusted. RabbitMQ does not always report that a queue was deleted, least of all when
/// another one of the same name is declared at once, which then has no consumer.
const CONSUMER_IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// The pause after RabbitMQ has failed: it doubles with each failure, and starts again with the next subscription.
const RECONNECT_BACKOFF: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(200))
    .with_max_delay(Duration::from_secs(10))
    .with_factor(2.0)
    .without_max_times();

/// How many deliveries are handled at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concurrency {
    /// One. A handler that goes on after it has settled the delivery [cancels](Received::cancel_subscription) the
    /// subscription first; otherwise RabbitMQ would send this consumer the next one, and another consumer that is idle could
    /// not have it.
    Exclusive,
    /// As many as this, over one subscription.
    Prefetch(u16),
}

impl Concurrency {
    const fn prefetch(self) -> u16 {
        match self {
            Self::Exclusive => 1,
            Self::Prefetch(count) => count,
        }
    }
}

/// Receives the deliveries of one queue.
pub struct QueueConsumer<'a> {
    pub broker: &'a Broker,
    pub queue: String,
    /// The consumer tag begins with this, for the management page.
    pub tag: &'static str,
    pub concurrency: Concurrency,
}

/// A delivery, and the subscription that it came over.
pub struct Received {
    delivery: Delivery,
    channel: Channel,
    tag: String,
    is_cancelled: Arc<AtomicBool>,
}

impl Received {
    pub fn body(&self) -> &[u8] {
        &self.delivery.data
    }

    pub fn headers(&self) -> Option<&FieldTable> {
        self.delivery.properties.headers().as_ref()
    }

    /// Whether the message may have been delivered before.
    pub fn is_redelivered(&self) -> bool {
        self.delivery.redelivered
    }

    /// Cancels the subscription: no further delivery comes over it.
    pub async fn cancel_subscription(&self) -> Result<(), BrokerError> {
        self.is_cancelled.store(true, Ordering::Relaxed);
        with_timeout(self.channel.basic_cancel(self.tag.as_str().into(), BasicCancelOptions::default())).await
    }

    pub async fn ack(&self) -> Result<(), BrokerError> {
        with_timeout(self.delivery.acker.ack(BasicAckOptions::default())).await.map(|_| ())
    }

    /// Returns the message to the queue, for another consumer.
    pub async fn requeue(&self) -> Result<(), BrokerError> {
        let returned = self.delivery.acker.reject(BasicRejectOptions { requeue: true });
        with_timeout(returned).await.map(|_| ())
    }

    /// Rejects the message for good: RabbitMQ moves it to the dead letters.
    pub async fn reject(&self) -> Result<(), BrokerError> {
        let rejected = self.delivery.acker.reject(BasicRejectOptions { requeue: false });
        with_timeout(rejected).await.map(|_| ())
    }
}

impl QueueConsumer<'_> {
    /// Receives until `stop`. A handler that fails ends the channel, and every delivery on it that was not settled returns
    /// to the queue. On `stop` the handlers that are running are awaited.
    pub async fn run<Handler, Handling>(&self, stop: &CancellationToken, handle: Handler)
    where
        Handler: Fn(Received) -> Handling,
        Handling: Future<Output = Result<(), BrokerError>>,
    {
        let mut backoff = RECONNECT_BACKOFF.build();
        while !stop.is_cancelled() {
            let Err(error) = self.receive_on_channel(stop, &mut backoff, &handle).await else { continue };
            let pause = backoff.next().expect("the number of retries is unlimited");
            tracing::warn!(
                queue = self.queue,
                error = &error as &dyn std::error::Error,
                "cannot receive from RabbitMQ; retrying in {pause:?}"
            );
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Receives over one channel: until `stop`, until the channel is lost, or until nothing has happened for so long that
    /// it is better to subscribe again. Then waits for the handlers that are running.
    async fn receive_on_channel<Handler, Handling>(
        &self,
        stop: &CancellationToken,
        backoff: &mut ExponentialBackoff,
        handle: &Handler,
    ) -> Result<(), BrokerError>
    where
        Handler: Fn(Received) -> Handling,
        Handling: Future<Output = Result<(), BrokerError>>,
    {
        let channel = self.broker.channel().await?;
        let prefetch = self.concurrency.prefetch();
        with_timeout(channel.basic_qos(prefetch, BasicQosOptions::default())).await?;
        let (mut consumer, mut tag) = self.subscribe(&channel).await?;
        *backoff = RECONNECT_BACKOFF.build();
        let mut handlers = FuturesUnordered::new();
        let mut result = loop {
            tokio::select! {
                () = stop.cancelled() => break Ok(()),
                () = tokio::time::sleep(CONSUMER_IDLE_TIMEOUT) => break Ok(()),
                Some(handled) = handlers.next() => {
                    if let Err(error) = handled {
                        break Err(error);
                    }
                }
                delivery = consumer.next() => {
                    let delivery = match delivery {
                        Some(Ok(delivery)) => delivery,
                        Some(Err(error)) => break Err(error.into()),
                        None => break Err(BrokerError::ConsumerCancelled),
                    };
                    let is_cancelled = Arc::new(AtomicBool::new(false));
                    let handling = handle(Received {
                        delivery,
                        channel: channel.clone(),
                        tag: tag.clone(),
                        is_cancelled: Arc::clone(&is_cancelled),
                    });
                    if self.concurrency == Concurrency::Exclusive {
                        handling.await?;
                        if is_cancelled.load(Ordering::Relaxed) {
                            (consumer, tag) = self.subscribe(&channel).await?;
                        }
                        *backoff = RECONNECT_BACKOFF.build();
                    } else {
                        handlers.push(handling);
                    }
                }
            }
        };
        while let Some(handled) = handlers.next().await {
            result = result.and(handled);
        }
        result
    }

    async fn subscribe(&self, channel: &Channel) -> Result<(Consumer, String), BrokerError> {
        let tag = format!("{}-{}", self.tag, uuid::Uuid::new_v4());
        let consumer = with_timeout(channel.basic_consume(
            self.queue.as_str().into(),
            tag.as_str().into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        ))
        .await?;
        Ok((consumer, tag))
    }
}
