//! Handles hash batch requests: hashes one batch of a tenant's waiting passwords for each request, on a bounded pool, and
//! stores the hashes in one statement. If more passwords wait, the request returns to the end of the queue before its
//! delivery is settled.
//!
//! A delivery is held for one batch: some hundred milliseconds of processor time, and at most [`BATCH_LIMIT`] when imports
//! leave none. It is settled whatever the outcome: passwords that were not hashed still wait in Postgres, where the relay
//! finds them.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::ready;
use futures_util::stream::FuturesUnordered;
use rollcall_schema::crash_point::{self, CrashPoint};
use rollcall_schema::ids::TenantId;
use rollcall_schema::passwords::argon2::HashingPool;
use rollcall_schema::passwords::keys::{self, PasswordKeys};
use rollcall_schema::passwords::queue::{self, HashedPassword, WaitingPassword};
use rollcall_schema::postgres::error::DatabaseError;
use rollcall_schema::postgres::pool::Database;
use rollcall_schema::rabbitmq::connection::{Broker, BrokerError};
use rollcall_schema::rabbitmq::consumer::{Concurrency, QueueConsumer, Received};
use rollcall_schema::rabbitmq::messages::HashBatchRequest;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::retry::retry_database;

/// Requests handled at the same time: while the hashes of one are stored, the threads work on the other.
const CONCURRENT_REQUESTS: u16 = 2;
/// Passwords in a batch, for each thread of the pool: enough to make the statements around it cheap in comparison, and few
/// enough that the next tenant's request is handled soon.
const BATCH_PER_THREAD: usize = 8;
/// How long a batch may take. What has been hashed by then is stored, and the rest is left to another pass: RabbitMQ takes
/// back a delivery that is not settled within half an hour.
const BATCH_LIMIT: Duration = Duration::from_mins(5);

/// Hashes waiting passwords.
pub struct PasswordHasher {
    database: Database,
    broker: Arc<Broker>,
    keys: PasswordKeys,
    pool: HashingPool,
    batch_size: usize,
}

impl PasswordHasher {
    /// Hashes up to `threads` passwords at the same time, on threads of the lowest priority.
    pub fn new(database: Database, broker: Arc<Broker>, keys: PasswordKeys, threads: usize) -> Self {
        let batch_size = threads * BATCH_PER_THREAD;
        let pool = HashingPool::in_background(threads, batch_size * usize::from(CONCURRENT_REQUESTS));
        Self { database, broker, keys, pool, batch_size }
    }

    /// Runs until `stop`. Then what has been hashed of the batches at hand is stored, and requests that were not
    /// acknowledged return to the queue.
    pub async fn run(self, stop: CancellationToken) {
        let consumer = QueueConsumer {
            broker: &self.broker,
            queue: self.broker.topology().passwords(),
            tag: "passwords",
            concurrency: Concurrency::Prefetch(CONCURRENT_REQUESTS),
        };
        consumer.run(&stop, |received| self.handle_delivery(received, &stop)).await;
    }

    /// Hashes a batch, publishes the request again if more passwords wait, and settles the delivery.
    async fn handle_delivery(&self, received: Received, stop: &CancellationToken) -> Result<(), BrokerError> {
        let queue = self.broker.topology().passwords();
        let Some(request) = HashBatchRequest::read(received.body(), received.headers()) else {
            tracing::error!(
                queue,
                "rejected a message that is not a hash batch request; see the dead letters"
            );
            return received.reject().await;
        };
        // Linked to the import's trace but not part of it: a district's passwords take thousands of requests.
        let span = tracing::info_span!(
            parent: None,
            "process passwords",
            otel.name = format!("process {queue}"),
            otel.kind = "consumer",
            otel.status_code = tracing::field::Empty,
            messaging.system = "rabbitmq",
            messaging.operation.type = "process",
            messaging.destination.name = queue,
            messaging.message.id = %request.tenant,
            rollcall.tenant.id = %request.tenant,
            rollcall.passwords.taken = tracing::field::Empty,
            rollcall.passwords.hashed = tracing::field::Empty,
        );
        request.trace.link(&span);
        let work = async {
            // The worker that received the request before may have died with a batch: then the pass starts again.
            let batch = self.hash_batch(request.tenant, received.is_redelivered(), stop).await;
            if let Err(error) = &batch {
                tracing::Span::current().record("otel.status_code", "ERROR");
                let error = error as &dyn std::error::Error;
                tracing::warn!(tenant = %request.tenant, error, "hashing a batch failed; the relay will request it again");
            }
            if stop.is_cancelled() {
                // The request returns to the queue when the channel closes, and the next receiver starts another pass.
                return Ok(());
            }
            // If the database failed it is left to the relay; otherwise the request would circulate all the while.
            if matches!(batch, Ok(Batch::MoreWaiting)) {
                // Confirmed before this delivery is acknowledged: better two requests than none.
                self.broker.publish_hash_batch_request(&request).await?;
            }
            crash_point::reached_for(request.tenant, CrashPoint::BeforeHashRequestAck);
            let settled = received.ack().await;
            crash_point::reached_for(request.tenant, CrashPoint::AfterHashRequestAck);
            settled
        };
        work.instrument(span).await
    }

    /// Hashes the next batch of a tenant's waiting passwords.
    async fn hash_batch(
        &self,
        tenant: TenantId,
        restart: bool,
        stop: &CancellationToken,
    ) -> Result<Batch, DatabaseError> {
        let batch = retry_database(stop, || self.take_batch(tenant, restart)).await?;
        let span = tracing::Span::current();
        span.record("rollcall.passwords.taken", batch.len());
        if batch.is_empty() {
            return Ok(Batch::Last);
        }
        let outcome = if batch.len() == self.batch_size { Batch::MoreWaiting } else { Batch::Last };
        let time_is_up = async {
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(BATCH_LIMIT) => {}
            }
        };
        let hashed: Vec<HashedPassword> = batch
            .into_iter()
            .map(|waiting| self.hash(tenant, waiting))
            .collect::<FuturesUnordered<_>>()
            .take_until(time_is_up)
            .filter_map(ready)
            .collect()
            .await;
        let stored = retry_database(stop, || self.store(tenant, &hashed)).await?;
        span.record("rollcall.passwords.hashed", stored);
        Ok(outcome)
    }

    async fn take_batch(
        &self,
        tenant: TenantId,
        restart: bool,
    ) -> Result<Vec<WaitingPassword>, DatabaseError> {
        let txn = self.database.transaction_for(tenant).await?;
        Ok(queue::take_batch(txn, tenant, restart, self.batch_size).await?)
    }

    async fn store(&self, tenant: TenantId, hashed: &[HashedPassword]) -> Result<u64, DatabaseError> {
        let session = self.database.session_for(tenant).await?;
        Ok(queue::store_hashes(&session, tenant, hashed).await?)
    }

    /// The hash. `None` if the pool is full or the seal does not open: the password keeps waiting.
    async fn hash(&self, tenant: TenantId, waiting: WaitingPassword) -> Option<HashedPassword> {
        let WaitingPassword { user, owner, sealed } = waiting;
        let owner = keys::owner(tenant, &owner);
        let clear = match self.keys.open(&owner, &sealed).await {
            Ok(clear) => clear,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(%tenant, %user, error, "a waiting password was not hashed: it keeps waiting");
                return None;
            }
        };
        let hash = self.pool.hash(clear).await.ok()?;
        Some(HashedPassword { user, sealed, hash })
    }
}

/// What is left of a tenant's pass after a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Batch {
    MoreWaiting,
    Last,
}
