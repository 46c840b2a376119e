//! Sessions: connections to Postgres without diesel between, for the one transaction that the service's speed hangs on.
//! They can what diesel's cannot: COPY, and statements sent one behind the other without waiting for answers.
//!
//! Statements that are to be sent so are polled together, by [`futures_util::future::try_join`] and its kin, and leave in
//! the order in which they are given there. What writes is [prepared](Session::prepare) before: the round trip that
//! preparing takes would let the next one pass.

use std::collections::HashMap;
use std::mem;
use std::ops::Deref;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use deadpool::managed::{Manager, Metrics, Object, Pool, PoolError, RecycleError, RecycleResult};
use futures_util::future::try_join_all;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, CopyInSink, Error, Row, Statement};
use tokio_util::task::AbortOnDropHandle;

use crate::database::{CONNECT_LIMIT, DatabaseAddress, DatabaseError};

/// The values of a statement's `$1`, `$2`, ….
pub type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

/// A pool of sessions.
#[derive(Clone)]
pub struct Sessions(Pool<Connector>);

impl Sessions {
    /// Prepares a pool of at most `sessions`; connects when first asked.
    pub fn new(address: DatabaseAddress, sessions: usize) -> Self {
        let pool = Pool::builder(Connector(address))
            .max_size(sessions)
            .wait_timeout(Some(CONNECT_LIMIT))
            .create_timeout(Some(CONNECT_LIMIT))
            .runtime(deadpool::Runtime::Tokio1)
            .build()
            .expect("a pool with time-outs has been given its runtime");
        Self(pool)
    }

    /// A session for one transaction, which is yet to [begin](Transaction::begin).
    pub async fn transaction(&self) -> Result<Transaction, DatabaseError> {
        Ok(Transaction(Some(self.0.get().await?)))
    }
}

/// Why no session could be had.
pub type SessionError = PoolError<Error>;

/// Makes the pool's sessions.
struct Connector(DatabaseAddress);

impl Manager for Connector {
    type Type = Session;
    type Error = Error;

    async fn create(&self) -> Result<Session, Error> {
        let (client, connection) = self.0.open().await?;
        let connection = AbortOnDropHandle::new(tokio::spawn(connection));
        Ok(Session { client, prepared: Mutex::default(), _connection: connection })
    }

    /// A connection that the server closed is noticed by the driver: asking would cost every small import a round trip.
    async fn recycle(&self, session: &mut Session, _: &Metrics) -> RecycleResult<Error> {
        if session.client.is_closed() {
            return Err(RecycleError::message("the connection was closed"));
        }
        Ok(())
    }
}

/// One connection to Postgres, and the statements that the server has prepared on it.
pub struct Session {
    client: Client,
    prepared: Mutex<HashMap<&'static str, Statement>>,
    /// What moves the bytes. How it ends, each statement under way is told. Its own end closes the connection at once,
    /// whatever the server is busy with.
    _connection: AbortOnDropHandle<Result<(), Error>>,
}

impl Session {
    /// Runs a statement and returns the number of rows that it touched.
    pub async fn execute(&self, sql: &'static str, values: Values<'_>) -> Result<u64, Error> {
        self.client.execute(&self.statement(sql).await?, values).await
    }

    /// Runs a statement and returns its rows.
    pub async fn query(&self, sql: &'static str, values: Values<'_>) -> Result<Vec<Row>, Error> {
        self.client.query(&self.statement(sql).await?, values).await
    }

    /// Runs a statement that returns exactly one row.
    pub async fn query_one(&self, sql: &'static str, values: Values<'_>) -> Result<Row, Error> {
        self.client.query_one(&self.statement(sql).await?, values).await
    }

    /// Begins a `copy … from stdin`. It fails if the sink is dropped before it was finished.
    pub async fn copy_in(&self, sql: &'static str) -> Result<CopyInSink<Bytes>, Error> {
        self.client.copy_in(&self.statement(sql).await?).await
    }

    /// Has the server prepare these statements, if it has not yet: one round trip at most.
    pub async fn prepare(&self, statements: &[&'static str]) -> Result<(), Error> {
        try_join_all(statements.iter().map(|sql| self.statement(sql))).await?;
        Ok(())
    }

    /// The prepared statement, at once if the server has it.
    async fn statement(&self, sql: &'static str) -> Result<Statement, Error> {
        let prepared = self.prepared().get(sql).cloned();
        if let Some(statement) = prepared {
            return Ok(statement);
        }
        let statement = self.client.prepare(sql).await?;
        self.prepared().insert(sql, statement.clone());
        Ok(statement)
    }

    fn prepared(&self) -> MutexGuard<'_, HashMap<&'static str, Statement>> {
        // Whole between any two statements, whatever panicked.
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session in one transaction. Dropped before its end, the connection is closed, and the transaction with it.
pub struct Transaction(Option<Object<Connector>>);

impl Transaction {
    /// Begins it. To be awaited, together with nothing but statements that read, before anything is written.
    pub async fn begin(&self) -> Result<(), Error> {
        self.client.batch_execute("begin").await
    }

    /// Commits it.
    pub async fn commit(self) -> Result<(), Error> {
        self.end("commit").await
    }

    /// Takes back what it did.
    pub async fn roll_back(self) -> Result<(), Error> {
        self.end("rollback").await
    }

    async fn end(mut self, how: &str) -> Result<(), Error> {
        self.client.batch_execute(how).await?;
        // Back to the pool.
        drop(self.0.take());
        Ok(())
    }
}

impl Deref for Transaction {
    type Target = Session;

    fn deref(&self) -> &Session {
        self.0.as_ref().expect("a session is with its transaction until the end")
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if let Some(session) = mem::take(&mut self.0) {
            drop(Object::take(session));
        }
    }
}
