//! RabbitMQ: one connection for a process, made again whenever it is lost, and publishing that is believed
//! only when the broker has confirmed it and a queue has it.
//!
//! What is published is a wake-up or a hashing turn; "message" means either.

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
use crate::edge::{self, Edge};
use crate::hashing::Turn;
use crate::wake_up::{Lane, Topology, WakeUp};

/// How long the broker may take to connect, to confirm, to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// How long a consumer that is sent nothing may be believed to be one. The broker does not always say that a queue was
/// deleted, least of all when another of the same name is declared at once, which then has no consumer.
pub const CONSUMER_BELIEVED: Duration = Duration::from_secs(20);

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
    #[error("RabbitMQ sends no more messages")]
    ConsumerEnded,
    /// The broker did not take the message, or no queue has it.
    #[error("RabbitMQ did not take the message into a queue")]
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

    /// The queue of the hashing turns.
    pub fn passwords(&self) -> String {
        self.address.topology.passwords()
    }

    /// The exchange that everything is published to.
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
        let edges = [Edge::BeforeWakeUpPublish, Edge::AfterWakeUpPublish, Edge::AfterWakeUpConfirm];
        self.send(Message::wake_up(self.exchange(), lane.as_str(), wake_up, edges)).await
    }

    /// Publishes a hashing turn. `Ok` means that the queue has it, on disk, behind those that wait there.
    pub async fn publish_turn(&self, turn: &Turn) -> Result<(), BrokerError> {
        self.send(Message {
            exchange: self.exchange(),
            routing_key: Topology::PASSWORDS,
            kind: "rollcall.hashing-turn.v1",
            id: turn.tenant.to_string(),
            headers: turn.trace.headers(),
            body: turn.body(),
            edges: [Edge::BeforeTurnPublish, Edge::AfterTurnPublish, Edge::AfterTurnConfirm],
        })
        .await
    }

    /// Puts a wake-up among the dead letters: its import was given up. `Ok` means that it is there, on disk.
    pub async fn publish_dead_letter(&self, wake_up: &WakeUp) -> Result<(), BrokerError> {
        let edges =
            [Edge::BeforeDeadLetterPublish, Edge::AfterDeadLetterPublish, Edge::AfterDeadLetterConfirm];
        self.send(Message::wake_up(self.address.topology.dead_letters(), "", wake_up, edges)).await
    }

    async fn send(&self, message: Message) -> Result<(), BrokerError> {
        let mut publisher = self.publisher.lock().await;
        // A channel that was lost since it was last used says so only when it is used: hence a second try.
        if let Some(channel) = publisher.as_ref()
            && publish_on(channel, &message).await.is_ok()
        {
            return Ok(());
        }
        *publisher = None;
        let channel = self.channel().await?;
        answered(channel.confirm_select(ConfirmSelectOptions::default())).await?;
        // Declared again even on a connection that lasted: somebody may have deleted a queue under it.
        answered(declare(&channel, &self.address.topology)).await?;
        publish_on(&channel, &message).await?;
        *publisher = Some(channel);
        Ok(())
    }
}

/// A message on its way out.
struct Message {
    exchange: String,
    routing_key: &'static str,
    /// What it is and in which version, for who looks into a queue.
    kind: &'static str,
    /// The id of what it speaks of.
    id: String,
    headers: FieldTable,
    body: Vec<u8>,
    /// Before it is published, behind that, and when it is confirmed.
    edges: [Edge; 3],
}

impl Message {
    fn wake_up(exchange: String, routing_key: &'static str, wake_up: &WakeUp, edges: [Edge; 3]) -> Self {
        Self {
            exchange,
            routing_key,
            kind: "rollcall.wake-up.v1",
            id: wake_up.import.to_string(),
            headers: wake_up.trace.headers(),
            body: wake_up.body(),
            edges,
        }
    }
}

/// The answer to a request, if it comes in time.
pub async fn answered<T>(request: impl Future<Output = lapin::Result<T>>) -> Result<T, BrokerError> {
    match timeout(ANSWER_LIMIT, request).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(BrokerError::Silent),
    }
}

async fn publish_on(channel: &Channel, message: &Message) -> Result<(), BrokerError> {
    let properties = BasicProperties::default()
        .with_content_type("application/json".into())
        .with_type(message.kind.into())
        .with_message_id(message.id.as_str().into())
        .with_delivery_mode(2)
        .with_headers(message.headers.clone());
    let [before, published, confirmed] = message.edges;
    edge::pass(before);
    let confirmation = answered(async {
        let confirm = channel
            .basic_publish(
                message.exchange.as_str().into(),
                message.routing_key.into(),
                BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() },
                &message.body,
                properties,
            )
            .await?;
        edge::pass(published);
        confirm.await
    })
    .await?;
    edge::pass(confirmed);
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
    for (queue, routing_key) in topology.routes() {
        let mut arguments = quorum();
        arguments.insert("x-dead-letter-exchange".into(), text(&dead_letters));
        channel.queue_declare(queue.as_str().into(), kept, arguments).await?;
        channel
            .queue_bind(
                queue.into(),
                exchange.as_str().into(),
                routing_key.into(),
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
