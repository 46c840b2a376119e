//! RabbitMQ: one connection per process, replaced when it is lost, and publishing that counts as done only when the
//! broker has confirmed the message and a queue has it.

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

/// Where RabbitMQ is, and the names it is used under.
#[derive(Clone)]
pub struct BrokerAddress {
    uri: AMQPUri,
    topology: Topology,
}

impl BrokerAddress {
    pub fn parse(url: &str, topology: Topology) -> Result<Self, SettingError> {
        url.parse().map(|uri| Self { uri, topology }).map_err(|error: String| {
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

/// A process's way to RabbitMQ.
pub struct Broker {
    address: BrokerAddress,
    /// The connection's name on RabbitMQ's management page.
    name: String,
    connection: Mutex<Option<Connection>>,
    publisher: Mutex<Option<Channel>>,
}

impl Broker {
    /// Connects on first use.
    pub fn new(address: BrokerAddress, name: impl Into<String>) -> Self {
        Self { address, name: name.into(), connection: Mutex::default(), publisher: Mutex::default() }
    }

    pub fn topology(&self) -> &Topology {
        &self.address.topology
    }

    /// A new channel, with every queue declared. Reconnects if there is no connection or it was lost.
    pub async fn channel(&self) -> Result<Channel, BrokerError> {
        let mut connection = self.connection.lock().await;
        if let Some(open) = connection.as_ref().filter(|connection| connection.status().connected())
            && let Ok(Ok(channel)) = timeout(ANSWER_TIMEOUT, open.create_channel()).await
        {
            return Ok(channel);
        }
        let properties = ConnectionProperties::default().with_connection_name(self.name.clone().into());
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
        // A channel that was lost since its last use reports that only when it is used: hence a second try.
        if let Some(channel) = publisher.as_ref()
            && publish_on(channel, &message).await.is_ok()
        {
            return Ok(());
        }
        *publisher = None;
        let channel = self.channel().await?;
        with_timeout(channel.confirm_select(ConfirmSelectOptions::default())).await?;
        // Declared again even on a connection that survived: a queue may have been deleted meanwhile.
        with_timeout(self.topology().declare(&channel)).await?;
        publish_on(&channel, &message).await?;
        *publisher = Some(channel);
        Ok(())
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
