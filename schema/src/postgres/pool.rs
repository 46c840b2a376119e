//! The pools that a process works with: connections for queries built with diesel, and sessions for hand-written SQL.

use std::ops::{Deref, DerefMut};

use deadpool::managed::QueueMode;
use diesel::QueryResult;
use diesel_async::pooled_connection::deadpool::{Object, Pool};
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection as _};
use futures_util::FutureExt as _;
use tokio_postgres::Client;

use super::address::{CONNECT_TIMEOUT, DatabaseAddress};
use super::client::{CACHE_PLANS, Session, SessionPool, Transaction, set_tenant_command};
use super::error::DatabaseError;
use crate::ids::TenantId;

/// A diesel connection to Postgres.
pub type Connection = AsyncPgConnection;

/// Makes the transaction under way the tenant's: row-level security shows it the tenant's rows and no others.
pub async fn set_tenant(conn: &mut Connection, tenant: TenantId) -> QueryResult<()> {
    conn.batch_execute(&set_tenant_command(tenant)).await
}

/// A connection in a read-only transaction of a tenant, which ends when it is dropped.
///
/// Neither the beginning nor the end is waited for, so a read takes no more round trips than without: commands are run in
/// the order in which they are sent. If the beginning fails, so does the connection, or no rows are seen.
pub struct TenantConnection(Object<Connection>);

impl TenantConnection {
    /// Keeps the plans of the queries that follow: see [`Session::with_cached_plans`].
    #[must_use]
    pub fn with_cached_plans(self) -> Self {
        self.send(CACHE_PLANS);
        self
    }

    /// Sends a command without waiting for its answer, which the driver discards.
    fn send(&self, command: &str) {
        let mut connection: &Connection = &self.0;
        let _ = connection.batch_execute(command).now_or_never();
    }
}

impl Deref for TenantConnection {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.0
    }
}

impl DerefMut for TenantConnection {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.0
    }
}

impl Drop for TenantConnection {
    fn drop(&mut self) {
        self.send("commit");
    }
}

/// How many connections a process opens to Postgres, at most.
#[derive(Debug, Clone, Copy)]
pub struct PoolSizes {
    /// For queries built with diesel.
    pub connections: usize,
    /// For hand-written SQL.
    pub sessions: usize,
}

/// The way to Postgres. Cheap to clone.
#[derive(Clone)]
pub struct Database {
    pool: Pool<Connection>,
    sessions: SessionPool,
    address: DatabaseAddress,
}

impl Database {
    /// Prepares the pools. Connects on first use.
    pub fn new(address: DatabaseAddress, sizes: PoolSizes) -> Self {
        let mut manager = ManagerConfig::default();
        // See `DatabaseAddress::session_manager`.
        manager.recycling_method = RecyclingMethod::Fast;
        let connector = address.clone();
        manager.custom_setup = Box::new(move |_| {
            let connector = connector.clone();
            async move { connector.connect().await }.boxed()
        });
        let manager = AsyncDieselConnectionManager::new_with_config("", manager);
        let pool = Pool::builder(manager)
            .max_size(sizes.connections)
            .queue_mode(QueueMode::Lifo)
            .wait_timeout(Some(CONNECT_TIMEOUT))
            .create_timeout(Some(CONNECT_TIMEOUT))
            .runtime(deadpool::Runtime::Tokio1)
            .build()
            .expect("a pool with timeouts has its runtime");
        Self { pool, sessions: SessionPool::new(&address, sizes.sessions), address }
    }

    /// A pooled connection of no tenant, for queries built with diesel: on the views of every tenant's ids, in a
    /// transaction that [sets its tenant](set_tenant), or as the owner of the tables.
    pub async fn connection(&self) -> Result<Object<Connection>, DatabaseError> {
        Ok(self.pool.get().await?)
    }

    /// A pooled connection that reads a tenant's rows with queries built with diesel.
    pub async fn connection_for(&self, tenant: TenantId) -> Result<TenantConnection, DatabaseError> {
        let connection = TenantConnection(self.connection().await?);
        connection.send(&format!("begin read only; {}", set_tenant_command(tenant)));
        Ok(connection)
    }

    /// A pooled session of a tenant, for hand-written SQL.
    pub async fn session_for(&self, tenant: TenantId) -> Result<Session, DatabaseError> {
        self.sessions.session_for(tenant).await
    }

    /// A pooled session of no tenant: see [`SessionPool::session_for_all`].
    pub async fn session_for_all(&self) -> Result<Session, DatabaseError> {
        self.sessions.session_for_all().await
    }

    /// A pooled session for one transaction of a tenant, which has yet to [begin](Transaction::begin).
    pub async fn transaction_for(&self, tenant: TenantId) -> Result<Transaction, DatabaseError> {
        self.sessions.transaction_for(tenant).await
    }

    /// See [`SessionPool::transaction_for_all`].
    pub async fn transaction_for_all(&self) -> Result<Transaction, DatabaseError> {
        self.sessions.transaction_for_all().await
    }

    /// Opens a connection outside the pools.
    pub(super) async fn connect(&self) -> Result<Connection, DatabaseError> {
        Ok(self.address.connect().await?)
    }

    /// Opens a connection for hand-written SQL outside the pools.
    pub(super) async fn connect_client(&self) -> Result<Client, DatabaseError> {
        Ok(self.address.connect_client().await?)
    }

    /// Opens a connection that receives the notifications of `channel`.
    pub async fn listen(&self, channel: &'static str) -> Result<Connection, DatabaseError> {
        let mut connection = self.connect().await?;
        connection.batch_execute(&format!("listen {channel}")).await?;
        Ok(connection)
    }
}
