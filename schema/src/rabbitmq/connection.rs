//! RabbitMQ: two connections per process, replaced when they are lost, and publishing that counts as done only when the
//! broker has confirmed the message and a queue has it.
//!
//! One connection publishes and the other does everything else: when memory or disk space runs short, RabbitMQ stops
//! reading from connections that publish, and acknowledgements would wait with the messages.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};
use lapin::uri::AMQPUri;
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, ErrorKind};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::messages::{HashBatchRequest, Message, WakeUp};
use super::topology::Topology;
use crate::crash_point;
use crate::lane::Lane;
use crate::settings::error::SettingError;

/// Timeout for connecting, for a confirmation, and for every other answer of the broker.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a process that starts waits for the broker, before it goes on without.
const START_CHECK_TIMEOUT: Duration = Duration::from_secs(5);
/// The interval of AMQP heartbeats, in seconds. RabbitMQ takes a client for lost, and delivers again what it held, once it has
/// been silent for two of them: a message that waits at a frozen worker is delivered to another within 20 s.
const HEARTBEAT_SECONDS: u16 = 10;
/// How often a publisher that waits for a confirmation looks whether an alarm has blocked its connection.
const ALARM_CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// Where RabbitMQ is, and the names it is used under.
#[derive(Clone)]
pub struct BrokerAddress {
    uri: AMQPUri,
    topology: Topology,
}

impl BrokerAddress {
    pub fn parse(url: &str, topology: Topology) -> Result<Self, SettingError> {
        let uri: Result<AMQPUri, String> = url.parse();
        let with_heartbeat = |mut uri: AMQPUri| {
            uri.query.heartbeat.get_or_insert(HEARTBEAT_SECONDS);
            Self { uri, topology }
        };
        uri.map(with_heartbeat).map_err(|error| {
            SettingError::new(
                "AMQP_URL",
                format!("cannot be used ({error}); write amqp://USER:PASSWORD@HOST:PORT/%2f"),
            )
        })
    }
}

/// Why RabbitMQ could not be used. Every one of these may be temporary.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The connection failed, or a request on it.
    #[error("RabbitMQ failed")]
    Protocol(#[from] lapin::Error),
    #[error("RabbitMQ did not answer within {} s (timeout)", ANSWER_TIMEOUT.as_secs())]
    Timeout,
    /// Memory or disk space runs short: RabbitMQ accepts no messages until it has enough again.
    #[error("RabbitMQ accepts no messages (alarm)")]
    Blocked,
    /// The broker cancelled a consumer because its queue was deleted, or the connection was lost.
    #[error("RabbitMQ cancelled the consumer")]
    ConsumerCancelled,
    /// The broker rejected the message, or no queue is bound for it.
    #[error("RabbitMQ did not accept the message into a queue")]
    NotQueued,
}

impl BrokerError {
    /// What is wrong with the settings, if that is why the broker refused: no waiting helps. A broker that is away is not
    /// wrong.
    pub fn misconfiguration(&self) -> Option<SettingError> {
        let Self::Protocol(error) = self else { return None };
        let ErrorKind::ProtocolError(error) = error.kind() else { return None };
        let (setting, wrong) = match error.kind() {
            AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED) => {
                ("AMQP_URL", "names a virtual host that does not exist or that its user may not enter")
            }
            AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => {
                ("AMQP_URL", "has a user or password that RabbitMQ refuses, or a user who lacks a right")
            }
            AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED) => {
                ("ROLLCALL_QUEUE_PREFIX", "names queues or exchanges that another program declared")
            }
            _ => return None,
        };
        Some(SettingError::new(setting, format!("{wrong} ({}): correct it", error.get_message())))
    }
}

/// What a process knows of RabbitMQ, from the last time that it published or connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum BrokerState {
    Reachable,
    Unreachable,
    /// By an alarm: it accepts no messages.
    Blocked,
}

impl BrokerState {
    /// The word that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reachable => "ok",
            Self::Unreachable => "away",
            Self::Blocked => "blocked",
        }
    }
}

/// A process's way to RabbitMQ.
pub struct Broker {
    address: BrokerAddress,
    /// The connections' name on RabbitMQ's management page.
    name: String,
    connection: Mutex<Option<Connection>>,
    publisher: Mutex<Publisher>,
    /// A [`BrokerState`].
    state: AtomicU8,
}

/// The connection that publishes, and its channel.
#[derive(Default)]
struct Publisher {
    connection: Option<Connection>,
    channel: Option<Channel>,
}

impl Publisher {
    fn is_blocked(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| {
            let status = connection.status();
            status.connected() && status.blocked()
        })
    }
}

impl Broker {
    /// Connects on first use.
    pub fn new(address: BrokerAddress, name: impl Into<String>) -> Self {
        Self {
            address,
            name: name.into(),
            connection: Mutex::default(),
            publisher: Mutex::default(),
            state: AtomicU8::new(BrokerState::Reachable as u8),
        }
    }

    pub fn topology(&self) -> &Topology {
        &self.address.topology
    }

    /// What the process knows of RabbitMQ.
    pub fn state(&self) -> BrokerState {
        [BrokerState::Unreachable, BrokerState::Blocked]
            .into_iter()
            .find(|state| *state as u8 == self.state.load(Ordering::Relaxed))
            .unwrap_or(BrokerState::Reachable)
    }

    fn set_state(&self, state: BrokerState) {
        self.state.store(state as u8, Ordering::Relaxed);
    }

    /// A new channel, with every queue declared. Reconnects if there is no connection or it was lost.
    pub async fn channel(&self) -> Result<Channel, BrokerError> {
        let mut connection = self.connection.lock().await;
        let channel = self.channel_on(&mut connection, "").await;
        if channel.is_err() {
            self.set_state(BrokerState::Unreachable);
        } else if self.state() == BrokerState::Unreachable {
            self.set_state(BrokerState::Reachable);
        }
        channel
    }

    async fn channel_on(
        &self,
        connection: &mut Option<Connection>,
        role: &str,
    ) -> Result<Channel, BrokerError> {
        if let Some(open) = connection.as_ref().filter(|connection| connection.status().connected())
            && let Ok(Ok(channel)) = timeout(ANSWER_TIMEOUT, open.create_channel()).await
        {
            return Ok(channel);
        }
        let name = format!("{}{role}", self.name);
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let new = with_timeout(Connection::connect_uri(self.address.uri.clone(), properties)).await?;
        let channel = with_timeout(new.create_channel()).await?;
        with_timeout(self.topology().declare(&channel)).await?;
        *connection = Some(new);
        Ok(channel)
    }

    /// Fails unless the broker can be reached now.
    pub async fn check(&self) -> Result<(), BrokerError> {
        let channel = self.channel().await?;
        with_timeout(channel.close(200, "checked".into())).await
    }

    /// What a process does when it starts: fails if the settings are wrong, and says in one line if RabbitMQ is away, which is
    /// no obstacle. Nothing waits long for it.
    pub async fn check_settings(&self) -> Result<(), SettingError> {
        let error = match timeout(START_CHECK_TIMEOUT, self.check()).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error,
            Err(_) => BrokerError::Timeout,
        };
        if let Some(wrong) = error.misconfiguration() {
            return Err(wrong);
        }
        let error = &error as &dyn std::error::Error;
        tracing::warn!(
            error,
            "RabbitMQ cannot be reached: uploads are accepted, and imports wait until it is back"
        );
        Ok(())
    }

    /// Publishes a wake-up. `Ok` means that a queue has it, on disk.
    pub async fn publish_wake_up(&self, lane: Lane, wake_up: &WakeUp) -> Result<(), BrokerError> {
        self.publish(Message::wake_up(self.topology(), lane, wake_up)).await
    }

    /// Publishes a hash batch request. `Ok` means that the queue has it, on disk, after the requests that wait there.
    pub async fn publish_hash_batch_request(&self, request: &HashBatchRequest) -> Result<(), BrokerError> {
        self.publish(Message::hash_batch_request(self.topology(), request)).await
    }

    /// Publishes the wake-up of an abandoned import as a dead letter. `Ok` means that it is there, on disk.
    pub async fn publish_dead_letter(&self, wake_up: &WakeUp) -> Result<(), BrokerError> {
        self.publish(Message::dead_letter(self.topology(), wake_up)).await
    }

    async fn publish(&self, message: Message) -> Result<(), BrokerError> {
        let mut publisher = self.publisher.lock().await;
        let outcome = self.publish_through(&mut publisher, &message).await;
        self.set_state(match &outcome {
            Ok(()) | Err(BrokerError::NotQueued) => BrokerState::Reachable,
            Err(BrokerError::Blocked) => BrokerState::Blocked,
            Err(_) => BrokerState::Unreachable,
        });
        outcome
    }

    async fn publish_through(&self, publisher: &mut Publisher, message: &Message) -> Result<(), BrokerError> {
        if publisher.is_blocked() {
            return Err(BrokerError::Blocked);
        }
        // A channel that was lost since its last use reports that only when it is used: hence a second try.
        if let Some(channel) = publisher.channel.take() {
            match publish_unless_blocked(publisher, &channel, message).await {
                Ok(()) => {
                    publisher.channel = Some(channel);
                    return Ok(());
                }
                Err(BrokerError::Blocked) => return Err(BrokerError::Blocked),
                Err(_) => {}
            }
        }
        let channel = self.channel_on(&mut publisher.connection, " (publishing)").await?;
        with_timeout(channel.confirm_select(ConfirmSelectOptions::default())).await?;
        // Declared again even on a connection that survived: a queue may have been deleted meanwhile.
        with_timeout(self.topology().declare(&channel)).await?;
        publish_unless_blocked(publisher, &channel, message).await?;
        publisher.channel = Some(channel);
        Ok(())
    }
}

/// Publishes a message. Fails as soon as an alarm blocks the connection: a confirmation would not come.
async fn publish_unless_blocked(
    publisher: &Publisher,
    channel: &Channel,
    message: &Message,
) -> Result<(), BrokerError> {
    let blocked = async {
        while !publisher.is_blocked() {
            tokio::time::sleep(ALARM_CHECK_INTERVAL).await;
        }
    };
    tokio::select! {
        biased;
        outcome = publish_on(channel, message) => outcome,
        () = blocked => Err(BrokerError::Blocked),
    }
}

/// The answer to a request, if it arrives within the timeout.
pub async fn with_timeout<T>(request: impl Future<Output = lapin::Result<T>>) -> Result<T, BrokerError> {
    match timeout(ANSWER_TIMEOUT, request).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(BrokerError::Timeout),
    }
}

async fn publish_on(channel: &Channel, message: &Message) -> Result<(), BrokerError> {
    let properties = BasicProperties::default()
        .with_content_type("application/json".into())
        .with_type(message.kind.into())
        .with_message_id(message.id.as_str().into())
        .with_delivery_mode(2)
        .with_headers(message.headers.clone());
    let [before, published, confirmed] = message.crash_points;
    crash_point::reached(before);
    let confirmation = with_timeout(async {
        let confirm = channel
            .basic_publish(
                message.exchange.as_str().into(),
                message.routing_key.into(),
                BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() },
                &message.body,
                properties,
            )
            .await?;
        crash_point::reached(published);
        confirm.await
    })
    .await?;
    crash_point::reached(confirmed);
    match confirmation {
        Confirmation::Ack(None) => Ok(()),
        // An acknowledgement that returns the message: no queue is bound for it.
        Confirmation::Ack(Some(_)) | Confirmation::Nack(_) | Confirmation::NotRequested => {
            Err(BrokerError::NotQueued)
        }
    }
}
