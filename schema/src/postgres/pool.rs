//! The pools that a process works with: connections for queries built with diesel, and sessions for hand-written SQL.

use diesel_async::pooled_connection::deadpool::{Object, Pool};
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection as _};
use futures_util::FutureExt as _;
use tokio_postgres::Client;

use super::address::{CONNECT_TIMEOUT, DatabaseAddress};
use super::client::{Session, SessionPool, Transaction};
use super::error::DatabaseError;

/// A diesel connection to Postgres.
pub type Connection = AsyncPgConnection;

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
            .wait_timeout(Some(CONNECT_TIMEOUT))
            .create_timeout(Some(CONNECT_TIMEOUT))
            .runtime(deadpool::Runtime::Tokio1)
            .build()
            .expect("a pool with timeouts has its runtime");
        Self { pool, sessions: SessionPool::new(&address, sizes.sessions), address }
    }

    /// A pooled connection, for queries built with diesel.
    pub async fn connection(&self) -> Result<Object<Connection>, DatabaseError> {
        Ok(self.pool.get().await?)
    }

    /// A pooled session, for hand-written SQL.
    pub async fn session(&self) -> Result<Session, DatabaseError> {
        self.sessions.session().await
    }

    /// A pooled session for one transaction, which has yet to [begin](Transaction::begin).
    pub async fn transaction(&self) -> Result<Transaction, DatabaseError> {
        self.sessions.transaction().await
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
