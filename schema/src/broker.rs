//! RabbitMQ: one connection for a process, made again whenever it is lost, and publishing that is believed
//! only when the broker has confirmed it and a queue has it.

use std::time::Duration;

use lapin::options::{
    BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use lapin::uri::AMQPUri;
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, ExchangeKind};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::config::ConfigError;
use crate::wake_up::{Lane, Topology, WakeUp};

/// How long the broker may take to connect, to confirm, to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// Dead letters that are kept.
const DEAD_LETTERS_KEPT: i32 = 10_000;

/// Where RabbitMQ is, and under which names it keeps the wake-ups.
#[derive(Clone)]
pub struct BrokerAddress {
    uri: AMQPUri,
    topology: Topology,
}

impl BrokerAddress {
    /// Parses the URL.
    pub fn parse(url: &str, topology: Topology) -> Result<Self, ConfigError> {
        url.parse().map(|uri| Self { uri, topology }).map_err(|error: String| {
            ConfigError::new(
                "AMQP_URL",
                format!("cannot be used ({error}); write amqp://USER:PASSWORD@HOST:PORT/%2f"),
            )
        })
    }
}

/// Why RabbitMQ could not be used. All of these may pass.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The connection or a request on it failed.
    #[error("RabbitMQ could not be used")]
    Protocol(#[from] lapin::Error),
    /// No answer came in time.
    #[error("RabbitMQ did not answer within {} s", ANSWER_LIMIT.as_secs())]
    Silent,
    /// The broker ended a consumer: its queue was deleted, or the connection was lost.
    #[error("RabbitMQ sends no more wake-ups")]
    ConsumerEnded,
    /// The broker did not take the message, or no queue has it.
    #[error("RabbitMQ did not take the wake-up into a queue")]
    NotTaken,
}

/// A process's way to RabbitMQ.
pub struct Broker {
    address: BrokerAddress,
    /// The name that the management page shows.
    name: String,
    connection: Mutex<Option<Connection>>,
    publisher: Mutex<Option<Channel>>,
}

impl Broker {
    /// Prepares the way; connects when first asked.
    pub fn new(address: BrokerAddress, name: impl Into<String>) -> Self {
        Self { address, name: name.into(), connection: Mutex::default(), publisher: Mutex::default() }
    }

    /// The queue of a lane.
    pub fn queue(&self, lane: Lane) -> String {
        self.address.topology.queue(lane)
    }

    /// The exchange that wake-ups are published to.
    pub fn exchange(&self) -> String {
        self.address.topology.exchange()
    }

    /// A new channel, on a new connection if there is none or it was lost, with every queue declared.
    pub async fn channel(&self) -> Result<Channel, BrokerError> {
        let mut connection = self.connection.lock().await;
        if let Some(open) = connection.as_ref().filter(|connection| connection.status().connected())
            && let Ok(Ok(channel)) = timeout(ANSWER_LIMIT, open.create_channel()).await
        {
            return Ok(channel);
        }
        let properties = ConnectionProperties::default().with_connection_name(self.name.clone().into());
        let fresh = answered(Connection::connect_uri(self.address.uri.clone(), properties)).await?;
        let channel = answered(fresh.create_channel()).await?;
        answered(declare(&channel, &self.address.topology)).await?;
        *connection = Some(fresh);
        Ok(channel)
    }

    /// Whether the broker can be reached now.
    pub async fn check(&self) -> Result<(), BrokerError> {
        let channel = self.channel().await?;
        answered(channel.close(200, "checked".into())).await
    }

    /// Publishes a wake-up. `Ok` means that a queue has it, on disk.
    pub async fn publish(&self, lane: Lane, wake_up: &WakeUp) -> Result<(), BrokerError> {
        let mut publisher = self.publisher.lock().await;
        // A channel that was lost since it was last used says so only when it is used: hence a second try.
        if let Some(channel) = publisher.as_ref()
            && publish_on(channel, &self.address.topology, lane, wake_up).await.is_ok()
        {
            return Ok(());
        }
        *publisher = None;
        let channel = self.channel().await?;
        answered(channel.confirm_select(ConfirmSelectOptions::default())).await?;
        // Declared again even on a connection that lasted: somebody may have deleted a queue under it.
        answered(declare(&channel, &self.address.topology)).await?;
        publish_on(&channel, &self.address.topology, lane, wake_up).await?;
        *publisher = Some(channel);
        Ok(())
    }
}

/// The answer to a request, if it comes in time.
pub async fn answered<T>(request: impl Future<Output = lapin::Result<T>>) -> Result<T, BrokerError> {
    match timeout(ANSWER_LIMIT, request).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(BrokerError::Silent),
    }
}

async fn publish_on(
    channel: &Channel,
    topology: &Topology,
    lane: Lane,
    wake_up: &WakeUp,
) -> Result<(), BrokerError> {
    let properties = BasicProperties::default()
        .with_content_type("application/json".into())
        .with_type("rollcall.wake-up.v1".into())
        .with_message_id(wake_up.import.to_string().into())
        .with_delivery_mode(2)
        .with_headers(wake_up.headers());
    let confirmation = answered(async {
        channel
            .basic_publish(
                topology.exchange().into(),
                lane.as_str().into(),
                BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() },
                &wake_up.body(),
                properties,
            )
            .await?
            .await
    })
    .await?;
    match confirmation {
        Confirmation::Ack(None) => Ok(()),
        // Acknowledged with the message inside: it was routable to no queue.
        Confirmation::Ack(Some(_)) | Confirmation::Nack(_) | Confirmation::NotRequested => {
            Err(BrokerError::NotTaken)
        }
    }
}

/// Declares the exchanges and the queues. Declaring what is there already changes nothing.
async fn declare(channel: &Channel, topology: &Topology) -> lapin::Result<()> {
    let (exchange, dead_letters) = (topology.exchange(), topology.dead_letters());
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let kept = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel
        .exchange_declare(exchange.as_str().into(), ExchangeKind::Direct, durable, FieldTable::default())
        .await?;
    channel
        .exchange_declare(dead_letters.as_str().into(), ExchangeKind::Fanout, durable, FieldTable::default())
        .await?;
    let mut bounded = quorum();
    // Kept to be looked at; the oldest go when nobody does.
    bounded.insert("x-max-length".into(), AMQPValue::LongInt(DEAD_LETTERS_KEPT));
    channel.queue_declare(dead_letters.as_str().into(), kept, bounded).await?;
    channel
        .queue_bind(
            dead_letters.as_str().into(),
            dead_letters.as_str().into(),
            "".into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        )
        .await?;
    for lane in Lane::ALL {
        let mut arguments = quorum();
        arguments.insert("x-dead-letter-exchange".into(), text(&dead_letters));
        channel.queue_declare(topology.queue(lane).into(), kept, arguments).await?;
        channel
            .queue_bind(
                topology.queue(lane).into(),
                topology.exchange().into(),
                lane.as_str().into(),
                QueueBindOptions::default(),
                FieldTable::default(),
            )
            .await?;
    }
    Ok(())
}

/// Quorum queues survive the loss of a node, and are what RabbitMQ 4 replicates.
fn quorum() -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert(ShortString::from("x-queue-type"), text("quorum"));
    arguments
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(LongString::from(value))
}
