//! Taking hashing turns: one batch of a tenant's waiting passwords per turn, hashed on a bounded pool, stored in one
//! statement. If more wait, the turn goes behind the other tenants' before its delivery is settled.
//!
//! A delivery is held for a batch: some hundred milliseconds of processor time, and [`BATCH_LIMIT`] where the imports
//! leave none. It is settled whatever came of it. What was not hashed waits in Postgres, where the relay finds it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::ready;
use futures_util::stream::FuturesUnordered;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, BasicRejectOptions};
use lapin::types::FieldTable;
use rollcall_schema::broker::{Broker, BrokerError, CONSUMER_BELIEVED, answered};
use rollcall_schema::database::{Database, DatabaseError};
use rollcall_schema::edge::{self, Edge};
use rollcall_schema::hashing::{self, HashedPassword, Turn, WaitingPassword};
use rollcall_schema::ids::TenantId;
use rollcall_schema::password::{self, HashingPool};
use rollcall_schema::seal::PasswordKeys;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::retry::{Pause, ask};

/// HashQueue at once: while the hashes of one are stored the threads work on the other's.
const TURNS: u16 = 2;
/// Passwords in a batch, by thread of the pool: enough that the statements around it cost little beside it, and few
/// enough that the next tenant's turn comes soon.
const BATCH_PER_THREAD: usize = 8;
/// How long a batch may take. What is not hashed by then is left to another pass, and the rest is stored: RabbitMQ
/// takes back what is not settled within half an hour.
const BATCH_LIMIT: Duration = Duration::from_mins(5);

/// Hashes the passwords that wait.
pub struct Hasher {
    database: Database,
    broker: Arc<Broker>,
    keys: PasswordKeys,
    pool: HashingPool,
    /// Passwords in a batch.
    batch: usize,
}

impl Hasher {
    /// One that hashes `threads` passwords at once, when nobody else wants the processor.
    pub fn new(database: Database, broker: Arc<Broker>, keys: PasswordKeys, threads: usize) -> Self {
        let batch = threads * BATCH_PER_THREAD;
        let pool = HashingPool::in_background(threads, batch * usize::from(TURNS));
        Self { database, broker, keys, pool, batch }
    }

    /// Takes turns until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut pause = Pause::default();
        while !stop.is_cancelled() {
            match self.consume(&stop, &mut pause).await {
                Ok(()) => continue,
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "no hashing turns can be had from RabbitMQ; trying again in {:?}",
                        pause.length()
                    );
                }
            }
            pause.wait(&stop).await;
        }
    }

    /// Takes turns over one channel, until `stop`, until the channel is lost, or until none has come for so long that it is
    /// better to ask anew. What was hashed of the batches at hand is
    /// stored; the turns that were not acknowledged then go back into the queue with the channel's end.
    async fn consume(&self, stop: &CancellationToken, pause: &mut Pause) -> Result<(), BrokerError> {
        let channel = self.broker.channel().await?;
        answered(channel.basic_qos(TURNS, BasicQosOptions::default())).await?;
        let consumer = channel.basic_consume(
            self.broker.passwords().into(),
            format!("passwords-{}", uuid::Uuid::new_v4()).into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        );
        let mut consumer = answered(consumer).await?;
        pause.forget();
        let mut turns = FuturesUnordered::new();
        let mut ended = loop {
            tokio::select! {
                () = stop.cancelled() => break Ok(()),
                () = tokio::time::sleep(CONSUMER_BELIEVED) => break Ok(()),
                Some(settled) = turns.next() => {
                    if let Err(error) = settled {
                        break Err(error);
                    }
                }
                delivery = consumer.next() => match delivery {
                    Some(Ok(delivery)) => turns.push(self.process(delivery, stop)),
                    Some(Err(error)) => break Err(error.into()),
                    None => break Err(BrokerError::ConsumerEnded),
                },
            }
        };
        while let Some(settled) = turns.next().await {
            ended = ended.and(settled);
        }
        ended
    }

    /// Takes a turn, passes it on if more passwords wait, and settles its delivery.
    async fn process(&self, delivery: Delivery, stop: &CancellationToken) -> Result<(), BrokerError> {
        let queue = self.broker.passwords();
        let Some(turn) = Turn::read(&delivery.data, delivery.properties.headers().as_ref()) else {
            tracing::error!(queue, "a message that is no hashing turn goes to the dead letters");
            let rejected = delivery.acker.reject(BasicRejectOptions { requeue: false });
            return answered(rejected).await.map(|_| ());
        };
        // Not a part of the import's trace but linked to it: a district's passwords take thousands of turns.
        let span = tracing::info_span!(
            parent: None,
            "process passwords",
            otel.name = format!("process {queue}"),
            otel.kind = "consumer",
            otel.status_code = tracing::field::Empty,
            messaging.system = "rabbitmq",
            messaging.operation.type = "process",
            messaging.destination.name = queue,
            messaging.message.id = %turn.tenant,
            rollcall.tenant.id = %turn.tenant,
            rollcall.passwords.taken = tracing::field::Empty,
            rollcall.passwords.hashed = tracing::field::Empty,
        );
        turn.trace.link(&span);
        let work = async {
            // Who had it before may have died with a batch in hand.
            let more = self.hash_batch(turn.tenant, delivery.redelivered, stop).await;
            if more.is_none() {
                tracing::Span::current().record("otel.status_code", "ERROR");
            }
            if stop.is_cancelled() {
                // Goes back into the queue with the channel's end; who has it then begins another pass.
                return Ok(());
            }
            // With a database that fails it is left to the relay: no message goes round and round meanwhile.
            if more == Some(true) {
                // Confirmed before this one is acknowledged: a turn is rather doubled than lost.
                self.broker.publish_turn(&turn).await?;
            }
            edge::pass_for(turn.tenant, Edge::BeforeTurnAck);
            let settled = answered(delivery.acker.ack(BasicAckOptions::default())).await;
            edge::pass_for(turn.tenant, Edge::AfterTurnAck);
            settled.map(|_| ())
        };
        work.instrument(span).await
    }

    /// Hashes the next of a tenant's waiting passwords, and says whether more wait; `None`: the database failed.
    async fn hash_batch(
        &self,
        tenant: TenantId,
        from_the_beginning: bool,
        stop: &CancellationToken,
    ) -> Option<bool> {
        let batch = ask(stop, || self.take_batch(tenant, from_the_beginning)).await?;
        let span = tracing::Span::current();
        span.record("rollcall.passwords.taken", batch.len());
        if batch.is_empty() {
            return Some(false);
        }
        let more = batch.len() == self.batch;
        let enough = async {
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(BATCH_LIMIT) => {}
            }
        };
        let hashed: Vec<HashedPassword> = batch
            .into_iter()
            .map(|waiting| self.hash(tenant, waiting))
            .collect::<FuturesUnordered<_>>()
            .take_until(enough)
            .filter_map(ready)
            .collect()
            .await;
        let stored = ask(stop, || self.store(tenant, &hashed)).await?;
        span.record("rollcall.passwords.hashed", stored);
        Some(more)
    }

    async fn take_batch(
        &self,
        tenant: TenantId,
        from_the_beginning: bool,
    ) -> Result<Vec<WaitingPassword>, DatabaseError> {
        let mut conn = self.database.connection().await?;
        Ok(hashing::take_batch(&mut conn, tenant, from_the_beginning, self.batch).await?)
    }

    async fn store(&self, tenant: TenantId, hashed: &[HashedPassword]) -> Result<usize, DatabaseError> {
        let mut conn = self.database.connection().await?;
        Ok(hashing::store_hashes(&mut conn, tenant, hashed).await?)
    }

    /// The hash, or that the seal does not open; `None` where the pool took no more.
    async fn hash(&self, tenant: TenantId, waiting: WaitingPassword) -> Option<HashedPassword> {
        let WaitingPassword { user, username_key, sealed } = waiting;
        let owner = password::owner(tenant, &username_key);
        let Some(clear) = self.keys.open(&owner, &sealed) else {
            tracing::error!(
                %tenant, %user,
                "a waiting password was sealed with another key and is dropped; the next import sets it again \
                 once it changes, or with the policy `always`"
            );
            return Some(HashedPassword { user, sealed, hash: None });
        };
        let hash = self.pool.hash(clear).await.ok()?;
        Some(HashedPassword { user, sealed, hash: Some(hash) })
    }
}
