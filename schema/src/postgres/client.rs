//! Sessions: tokio-postgres connections for hand-written SQL. They can do what diesel's cannot: COPY, and pipelining,
//! which sends statements one after another without waiting for each answer.
//!
//! Statements to be pipelined are polled together, by [`futures_util::future::try_join`] and its kin, and are sent in the
//! order in which they are given there. A statement that writes is [prepared](Session::prepare) first: the round trip
//! that preparing takes would let the next statement overtake it.
//!
//! A session is a tenant's, or expressly no tenant's: row-level security shows a transaction the rows of the tenant that it
//! has set (invariant 9). The tenant is set with the transaction's beginning, in the same message, and for that transaction
//! only, so that a pooler may give the connection to another process after it.

use std::ops::Deref;

use bytes::Bytes;
use deadpool::managed::QueueMode;
use deadpool_postgres::{Object, Pool, Runtime};
use futures_util::future::{try_join_all, try_join3};
use tokio_postgres::types::ToSql;
use tokio_postgres::{CopyInSink, CopyOutStream, Error, Row, Statement};

use super::address::{CONNECT_TIMEOUT, DatabaseAddress};
use super::error::DatabaseError;
use crate::ids::{ImportId, TenantId};

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
            // The session used last: its server process has everything at hand that the next transaction needs.
            .queue_mode(QueueMode::Lifo)
            .wait_timeout(Some(CONNECT_TIMEOUT))
            .create_timeout(Some(CONNECT_TIMEOUT))
            .runtime(Runtime::Tokio1)
            .build()
            .expect("a pool with timeouts has its runtime");
        Self(pool)
    }

    /// A session of a tenant. Each of its statements is a transaction of its own.
    pub async fn session_for(&self, tenant: TenantId) -> Result<Session, DatabaseError> {
        self.session(Scope::Tenant(tenant)).await
    }

    /// A session of no tenant. Its statements see the views of every tenant's ids, and no tenant's rows.
    pub async fn session_for_all(&self) -> Result<Session, DatabaseError> {
        self.session(Scope::None).await
    }

    /// A session for one transaction of a tenant, which has yet to [begin](Transaction::begin).
    pub async fn transaction_for(&self, tenant: TenantId) -> Result<Transaction, DatabaseError> {
        let begin = begin(tenant);
        Ok(Transaction { session: Some(self.session(Scope::Transaction).await?), begin })
    }

    /// A session for one transaction of no tenant: on the views of every tenant's ids, or as the owner of the tables.
    pub async fn transaction_for_all(&self) -> Result<Transaction, DatabaseError> {
        Ok(Transaction { session: Some(self.session(Scope::Transaction).await?), begin: "begin".to_owned() })
    }

    async fn session(&self, scope: Scope) -> Result<Session, DatabaseError> {
        Ok(Session { connection: self.0.get().await?, scope, caches_plans: false })
    }
}

/// Whose rows a session's statements see.
#[derive(Debug, Clone, Copy)]
enum Scope {
    /// A tenant's: each statement is a transaction in which the tenant is set.
    Tenant(TenantId),
    /// Those of the tenant that is set in the transaction under way.
    Transaction,
    /// No tenant's.
    None,
}

/// The command that keeps the plans of the transaction's statements for the connection. A plan made while a table was empty
/// would read all of it.
pub(super) const CACHE_PLANS: &str =
    "set local plan_cache_mode = force_generic_plan; set local enable_seqscan = off";

/// The command that begins a transaction of a tenant.
fn begin(tenant: TenantId) -> String {
    format!("begin; {}", set_tenant_command(tenant))
}

/// The command that makes the transaction under way the tenant's: see the policies `own_tenant`.
pub(super) fn set_tenant_command(tenant: TenantId) -> String {
    format!("set local rollcall.tenant = '{tenant}'")
}

/// One connection to Postgres. Each statement is prepared once per connection; dropping the session returns it to its
/// pool.
pub struct Session {
    connection: Object,
    scope: Scope,
    /// See [`Session::with_cached_plans`].
    caches_plans: bool,
}

impl Session {
    /// Runs a statement and returns the number of rows it affected.
    pub async fn execute(&self, sql: &'static str, values: Values<'_>) -> Result<u64, Error> {
        let statement = self.statement(sql).await?;
        self.scoped(self.connection.execute(&statement, values)).await
    }

    pub async fn query(&self, sql: &'static str, values: Values<'_>) -> Result<Vec<Row>, Error> {
        let statement = self.statement(sql).await?;
        self.scoped(self.connection.query(&statement, values)).await
    }

    /// Runs a statement that returns one row or none.
    pub async fn query_opt(&self, sql: &'static str, values: Values<'_>) -> Result<Option<Row>, Error> {
        let statement = self.statement(sql).await?;
        self.scoped(self.connection.query_opt(&statement, values)).await
    }

    /// Runs a statement that returns exactly one row.
    pub async fn query_one(&self, sql: &'static str, values: Values<'_>) -> Result<Row, Error> {
        let statement = self.statement(sql).await?;
        self.scoped(self.connection.query_one(&statement, values)).await
    }

    /// Runs a prepared statement for whom the session is. A transaction of its own costs no round trip: its beginning, the
    /// statement and the commit are sent together. If the statement fails, the server rolls back.
    async fn scoped<T>(&self, statement: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let mut command = match self.scope {
            Scope::Tenant(tenant) => begin(tenant),
            Scope::None if self.caches_plans => "begin".to_owned(),
            Scope::None | Scope::Transaction => return statement.await,
        };
        if self.caches_plans {
            command = format!("{command}; {CACHE_PLANS}");
        }
        let begun = self.connection.batch_execute(&command);
        let ((), result, ()) = try_join3(begun, statement, self.connection.batch_execute("commit")).await?;
        Ok(result)
    }

    /// Keeps the plans of the statements that follow, each a transaction of its own. They are otherwise made anew for each execution. Planning took half of
    /// the time that a small import spent in Postgres.
    ///
    /// For statements that look up one row by its key: on `imports` and its kind, which gain a row per import, so that a plan
    /// made while they were small is replaced, as they are analysed, before it hurts; or with a form that leaves one plan.
    /// `users` gains a million between two analyses. A worker's statements have that form, and its connections keep all plans.
    #[must_use]
    pub fn with_cached_plans(mut self) -> Self {
        self.caches_plans = true;
        self
    }

    /// Starts a `copy … from stdin`. It fails if the sink is dropped before it is finished.
    pub async fn copy_in(&self, sql: &'static str) -> Result<CopyInSink<Bytes>, Error> {
        self.connection.copy_in(&self.statement(sql).await?).await
    }

    /// Starts a `copy … to stdout`.
    pub async fn copy_out(&self, sql: &'static str) -> Result<CopyOutStream, Error> {
        self.connection.copy_out(&self.statement(sql).await?).await
    }

    /// Runs commands that take no values, for no tenant unless a transaction is under way.
    pub async fn batch_execute(&self, sql: &str) -> Result<(), Error> {
        self.connection.batch_execute(sql).await
    }

    /// Prepares the statements that the server does not have yet, in at most one round trip.
    pub async fn prepare(&self, statements: &[&'static str]) -> Result<(), Error> {
        try_join_all(statements.iter().map(|sql| self.statement(sql))).await?;
        Ok(())
    }

    async fn statement(&self, sql: &'static str) -> Result<Statement, Error> {
        self.connection.prepare_cached(sql).await
    }
}

/// A session in one transaction. If it is dropped before its end, its connection is closed at once, and the server rolls
/// the transaction back.
pub struct Transaction {
    session: Option<Session>,
    /// The command that begins it.
    begin: String,
}

impl Transaction {
    /// Begins the transaction. May be pipelined with statements that only read; must be awaited before anything is
    /// written.
    pub async fn begin(&self) -> Result<(), Error> {
        self.batch_execute(&self.begin).await
    }

    /// Begins the transaction as [`begin`](Self::begin) does, under a name that Postgres shows with the session until the
    /// transaction ends (`application_name`).
    pub async fn begin_for(&self, import: ImportId) -> Result<(), Error> {
        self.batch_execute(&format!("{}; set local application_name = 'rollcall {import}'", self.begin)).await
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
        drop(self.session.take());
        Ok(())
    }
}

impl Deref for Transaction {
    type Target = Session;

    fn deref(&self) -> &Session {
        self.session.as_ref().expect("the session is there until the transaction ends")
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            // Out of the pool: dropping the client aborts its connection, whatever the server is busy with.
            drop(Object::take(session.connection));
        }
    }
}
