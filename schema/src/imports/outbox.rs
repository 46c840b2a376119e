//! The outbox: publishes the wake-ups that the imports' rows say are due, and records that they were confirmed.
//!
//! Nothing depends on a publish having worked: what was not published, or not recorded as published, is still due.

use std::sync::Arc;

use super::wake_ups::{self, DueWakeUp};
use crate::ids::TenantId;
use crate::postgres::error::DatabaseError;
use crate::postgres::pool::Database;
use crate::rabbitmq::connection::{Broker, BrokerError};

/// The way from the imports' rows to the queues. Cheap to clone.
#[derive(Clone)]
pub struct Outbox {
    database: Database,
    broker: Arc<Broker>,
}

/// Why a message was not published. It stays due.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The database did not say what is due, or did not record that it was published.
    #[error("the outbox could not be read or updated")]
    Database(#[from] DatabaseError),
    /// RabbitMQ did not accept it.
    #[error("a message could not be published")]
    Broker(#[from] BrokerError),
}

impl From<tokio_postgres::Error> for PublishError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error.into())
    }
}

impl Outbox {
    pub fn new(database: Database, broker: Arc<Broker>) -> Self {
        Self { database, broker }
    }

    pub fn broker(&self) -> &Broker {
        &self.broker
    }

    /// Publishes a wake-up and records that it was confirmed.
    pub async fn publish(&self, due: &DueWakeUp) -> Result<(), PublishError> {
        let DueWakeUp { lane, wake_up, attempts } = due;
        self.broker.publish_wake_up(*lane, wake_up).await?;
        let session = self.database.session_for(wake_up.tenant).await?;
        Ok(wake_ups::mark_published(&session, wake_up.tenant, wake_up.import, *attempts).await?)
    }

    /// Publishes the wake-up of the next import in a tenant's line, after another import of the tenant has ended.
    pub async fn wake_next(&self, tenant: TenantId) -> Result<(), PublishError> {
        let next = {
            let session = self.database.session_for(tenant).await?;
            wake_ups::next_in_line(&session, tenant).await?
        };
        match next {
            Some(next) => self.publish(&next).await,
            None => Ok(()),
        }
    }

    /// Publishes the wake-ups of abandoned imports as dead letters, `limit` at most.
    pub async fn publish_dead_letters(&self, limit: i64) -> Result<(), PublishError> {
        let due = {
            let session = self.database.session_for_all().await?;
            wake_ups::due_dead_letters(&session, limit).await?
        };
        for wake_up in due {
            self.broker.publish_dead_letter(&wake_up).await?;
            // On a session: the relay has one open. Until this commits, another worker's relay publishes a copy.
            let session = self.database.session_for(wake_up.tenant).await?;
            wake_ups::mark_dead_lettered(&session, wake_up.tenant, wake_up.import).await?;
        }
        Ok(())
    }
}
