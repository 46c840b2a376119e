//! Sessions: tokio-postgres connections for hand-written SQL. They can do what diesel's cannot: COPY, and pipelining,
//! which sends statements one after another without waiting for each answer.
//!
//! Statements to be pipelined are polled together, by [`futures_util::future::try_join`] and its kin, and are sent in the
//! order in which they are given there. A statement that writes is [prepared](Session::prepare) first: the round trip
//! that preparing takes would let the next statement overtake it.

use std::ops::Deref;

use bytes::Bytes;
use deadpool_postgres::{Object, Pool, Runtime};
use futures_util::future::try_join_all;
use tokio_postgres::types::ToSql;
use tokio_postgres::{CopyInSink, Error, Row, Statement};

use super::address::{CONNECT_TIMEOUT, DatabaseAddress};
use super::error::DatabaseError;
use crate::ids::ImportId;

/// The values of a statement's `$1`, `$2`, ….
pub type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

/// A pool of sessions. Cheap to clone.
#[derive(Clone)]
pub struct SessionPool(Pool);

impl SessionPool {
    /// Prepares a pool of at most `sessions`. Connects on first use.
    pub fn new(address: &DatabaseAddress, sessions: usize) -> Self {
        let pool = Pool::builder(address.session_manager())
            .max_size(sessions)
            .wait_timeout(Some(CONNECT_TIMEOUT))
            .create_timeout(Some(CONNECT_TIMEOUT))
            .runtime(Runtime::Tokio1)
            .build()
            .expect("a pool with timeouts has its runtime");
        Self(pool)
    }

    pub async fn session(&self) -> Result<Session, DatabaseError> {
        Ok(Session(self.0.get().await?))
    }

    /// A session for one transaction, which has yet to [begin](Transaction::begin).
    pub async fn transaction(&self) -> Result<Transaction, DatabaseError> {
        Ok(Transaction(Some(self.session().await?)))
    }
}

/// One connection to Postgres. Each statement is prepared once per connection; dropping the session returns it to its
/// pool.
pub struct Session(Object);

impl Session {
    /// Runs a statement and returns the number of rows it affected.
    pub async fn execute(&self, sql: &'static str, values: Values<'_>) -> Result<u64, Error> {
        self.0.execute(&self.statement(sql).await?, values).await
    }

    pub async fn query(&self, sql: &'static str, values: Values<'_>) -> Result<Vec<Row>, Error> {
        self.0.query(&self.statement(sql).await?, values).await
    }

    /// Runs a statement that returns one row or none.
    pub async fn query_opt(&self, sql: &'static str, values: Values<'_>) -> Result<Option<Row>, Error> {
        self.0.query_opt(&self.statement(sql).await?, values).await
    }

    /// Runs a statement that returns exactly one row.
    pub async fn query_one(&self, sql: &'static str, values: Values<'_>) -> Result<Row, Error> {
        self.0.query_one(&self.statement(sql).await?, values).await
    }

    /// Starts a `copy … from stdin`. It fails if the sink is dropped before it is finished.
    pub async fn copy_in(&self, sql: &'static str) -> Result<CopyInSink<Bytes>, Error> {
        self.0.copy_in(&self.statement(sql).await?).await
    }

    /// Runs commands that take no values.
    pub async fn batch_execute(&self, sql: &str) -> Result<(), Error> {
        self.0.batch_execute(sql).await
    }

    /// Prepares the statements that the server does not have yet, in at most one round trip.
    pub async fn prepare(&self, statements: &[&'static str]) -> Result<(), Error> {
        try_join_all(statements.iter().map(|sql| self.statement(sql))).await?;
        Ok(())
    }

    async fn statement(&self, sql: &'static str) -> Result<Statement, Error> {
        self.0.prepare_cached(sql).await
    }
}

/// A session in one transaction. If it is dropped before its end, its connection is closed at once, and the server rolls
/// the transaction back.
pub struct Transaction(Option<Session>);

impl Transaction {
    /// Begins the transaction. May be pipelined with statements that only read; must be awaited before anything is
    /// written.
    pub async fn begin(&self) -> Result<(), Error> {
        self.batch_execute("begin").await
    }

    /// Begins the transaction as [`begin`](Self::begin) does, under a name that Postgres shows with the session until the
    /// transaction ends (`application_name`).
    pub async fn begin_for(&self, import: ImportId) -> Result<(), Error> {
        self.batch_execute(&format!("begin; set local application_name = 'rollcall {import}'")).await
    }

    pub async fn commit(self) -> Result<(), Error> {
        self.end("commit").await
    }

    pub async fn roll_back(self) -> Result<(), Error> {
        self.end("rollback").await
    }

    async fn end(mut self, command: &str) -> Result<(), Error> {
        self.batch_execute(command).await?;
        // Back to the pool.
        drop(self.0.take());
        Ok(())
    }
}

impl Deref for Transaction {
    type Target = Session;

    fn deref(&self) -> &Session {
        self.0.as_ref().expect("the session is there until the transaction ends")
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if let Some(Session(object)) = self.0.take() {
            // Out of the pool: dropping the client aborts its connection, whatever the server is busy with.
            drop(Object::take(object));
        }
    }
}
