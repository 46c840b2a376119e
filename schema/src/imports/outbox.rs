//! The outbox: which wake-ups are to be published stands in the imports' own rows, committed with them; publishing one
//! is sending it, and keeping that it was confirmed.
//!
//! Nothing depends on a publish having worked. What was not published, or not known to be, is still due.

use std::sync::Arc;

use crate::broker::{Broker, BrokerError};
use crate::database::{Database, DatabaseError};
use crate::ids::TenantId;
use crate::import::{self, DueWakeUp};

/// The way from the imports' rows to the queues.
#[derive(Clone)]
pub struct Outbox {
    database: Database,
    broker: Arc<Broker>,
}

/// Why a message was not published. It stays due.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The database did not say what is due, or did not keep that it was published.
    #[error("the database could not be asked for what is to be published")]
    Database(#[from] DatabaseError),
    /// RabbitMQ did not take it.
    #[error("RabbitMQ did not take a message")]
    Broker(#[from] BrokerError),
}

impl From<diesel::result::Error> for PublishError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Database(error.into())
    }
}

impl Outbox {
    /// A way from the one to the other.
    pub fn new(database: Database, broker: Arc<Broker>) -> Self {
        Self { database, broker }
    }

    /// Where it leads to.
    pub fn broker(&self) -> &Broker {
        &self.broker
    }

    /// Publishes a wake-up and keeps that it was confirmed.
    pub async fn publish(&self, due: &DueWakeUp) -> Result<(), PublishError> {
        self.broker.publish(due.lane, &due.wake_up).await?;
        let mut conn = self.database.connection().await?;
        Ok(import::record_woken(&mut conn, due.wake_up.tenant, due.wake_up.import, due.attempts).await?)
    }

    /// Wakes the head of a tenant's line, when another import of the tenant has ended.
    pub async fn wake_next(&self, tenant: TenantId) -> Result<(), PublishError> {
        let next = {
            let mut conn = self.database.connection().await?;
            import::next_in_line(&mut conn, tenant).await?
        };
        match next {
            Some(next) => self.publish(&next).await,
            None => Ok(()),
        }
    }

    /// Puts the wake-ups of imports that were given up among the dead letters, `limit` at most.
    pub async fn publish_dead_letters(&self, limit: i64) -> Result<(), PublishError> {
        let due = {
            let mut conn = self.database.connection().await?;
            import::due_dead_letters(&mut conn, limit).await?
        };
        for dead in due {
            self.broker.publish_dead_letter(&dead).await?;
            let mut conn = self.database.connection().await?;
            import::record_dead_letter(&mut conn, dead.tenant, dead.import).await?;
        }
        Ok(())
    }
}
