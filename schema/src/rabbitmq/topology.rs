//! The names of the exchanges and queues, and their declaration.

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use lapin::{Channel, ExchangeKind};

use crate::lane::Lane;

/// Dead letters that are kept. The oldest are dropped first.
const MAX_DEAD_LETTERS: i32 = 10_000;

/// The names of the exchanges and queues. They share a prefix, so that several installations can share a broker.
#[derive(Debug, Clone)]
pub struct Topology {
    prefix: String,
}

impl Topology {
    pub const DEFAULT_PREFIX: &str = "rollcall";
    /// The routing key of hash batch requests.
    pub const PASSWORDS: &str = "passwords";

    pub fn new(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into() }
    }

    /// The exchange for wake-ups, routed by their lane's name, and for hash batch requests.
    pub fn exchange(&self) -> String {
        format!("{}.wake-ups", self.prefix)
    }

    /// The exchange, and its queue, for messages that no worker could read and for the wake-ups of abandoned imports.
    pub fn dead_letters(&self) -> String {
        format!("{}.dead", self.prefix)
    }

    /// The queue of a lane.
    pub fn queue(&self, lane: Lane) -> String {
        format!("{}.imports.{}", self.prefix, lane.as_str())
    }

    /// The queue of hash batch requests: see [`crate::passwords::queue`].
    pub fn passwords(&self) -> String {
        format!("{}.{}", self.prefix, Self::PASSWORDS)
    }

    /// Every queue that workers consume, and the routing key that leads to it.
    fn routes(&self) -> impl Iterator<Item = (String, &'static str)> {
        let lanes = Lane::ALL.iter().map(|lane| (self.queue(*lane), lane.as_str()));
        lanes.chain([(self.passwords(), Self::PASSWORDS)])
    }

    /// Declares the exchanges and queues. Declaring what exists changes nothing.
    pub(super) async fn declare(&self, channel: &Channel) -> lapin::Result<()> {
        let (exchange, dead_letters) = (self.exchange(), self.dead_letters());
        let durable_exchange = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let durable_queue = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        for (exchange, kind) in [(&exchange, ExchangeKind::Direct), (&dead_letters, ExchangeKind::Fanout)] {
            channel
                .exchange_declare(exchange.as_str().into(), kind, durable_exchange, FieldTable::default())
                .await?;
        }
        let mut arguments = quorum();
        arguments.insert("x-max-length".into(), AMQPValue::LongInt(MAX_DEAD_LETTERS));
        channel.queue_declare(dead_letters.as_str().into(), durable_queue, arguments).await?;
        bind(channel, &dead_letters, &dead_letters, "").await?;
        for (queue, routing_key) in self.routes() {
            let mut arguments = quorum();
            arguments.insert("x-dead-letter-exchange".into(), text(&dead_letters));
            channel.queue_declare(queue.as_str().into(), durable_queue, arguments).await?;
            bind(channel, &queue, &exchange, routing_key).await?;
        }
        Ok(())
    }
}

async fn bind(channel: &Channel, queue: &str, exchange: &str, routing_key: &str) -> lapin::Result<()> {
    let (options, arguments) = (QueueBindOptions::default(), FieldTable::default());
    channel.queue_bind(queue.into(), exchange.into(), routing_key.into(), options, arguments).await
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
