//! The outbox: publishes the wake-ups that the imports' rows say are due, and records that they were confirmed.
//!
//! Nothing depends on a publish having worked: what was not published, or not recorded as published, is still due.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::wake_ups::{self, DueWakeUp};
use crate::crash_point::{self, CrashPoint};
use crate::ids::TenantId;
use crate::postgres::error::DatabaseError;
use crate::postgres::pool::Database;
use crate::rabbitmq::connection::{Broker, BrokerError};

/// How long the row of an import may stay locked while its dead letter is published. Less than the server lets a
/// transaction be idle.
const DEAD_LETTER_TIMEOUT: Duration = Duration::from_secs(15);

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
        self.send(due).await?;
        Ok(self.mark_published(due).await?)
    }

    /// Publishes a wake-up. It stays due until it is [marked](Self::mark_published) as published or is answered.
    pub async fn send(&self, due: &DueWakeUp) -> Result<(), BrokerError> {
        self.broker.publish_wake_up(due.lane, &due.wake_up).await
    }

    /// Records that a wake-up was confirmed, unless it was answered by now.
    pub async fn mark_published(&self, due: &DueWakeUp) -> Result<(), DatabaseError> {
        let DueWakeUp { wake_up, attempts, .. } = due;
        let session = self.database.session_for(wake_up.tenant).await?.with_cached_plans();
        Ok(wake_ups::mark_published(&session, wake_up.tenant, wake_up.import, *attempts).await?)
    }

    /// Publishes the wake-up of the next import in a tenant's line, after another import of the tenant has ended.
    pub async fn wake_next(&self, tenant: TenantId) -> Result<(), PublishError> {
        let next = {
            let session = self.database.session_for(tenant).await?.with_cached_plans();
            wake_ups::next_in_line(&session, tenant).await?
        };
        match next {
            Some(next) => self.publish(&next).await,
            None => Ok(()),
        }
    }

    /// Publishes the wake-ups of abandoned imports as dead letters, `limit` at most.
    ///
    /// Each is taken, published and marked in one transaction, so processes that do this at the same time publish none
    /// twice. One that dies before its commit, or whose confirmation is lost, leaves the dead letter to be published again.
    pub async fn publish_dead_letters(&self, limit: i64) -> Result<(), PublishError> {
        for _ in 0..limit {
            let txn = self.database.transaction_for_all().await?;
            txn.begin().await?;
            let Some(wake_up) = wake_ups::take_dead_letter_in_txn(&txn).await? else {
                return Ok(txn.commit().await?);
            };
            let published = timeout(DEAD_LETTER_TIMEOUT, self.broker.publish_dead_letter(&wake_up)).await;
            if let Err(error) = published.unwrap_or(Err(BrokerError::Timeout)) {
                txn.roll_back().await?;
                return Err(error.into());
            }
            wake_ups::mark_dead_lettered_in_txn(&txn, &wake_up).await?;
            txn.commit().await?;
            crash_point::reached_for(wake_up.tenant, CrashPoint::AfterDeadLetterCommit);
        }
        Ok(())
    }
}
