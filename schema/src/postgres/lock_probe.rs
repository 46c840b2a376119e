//! Whether the tables can be used now, or another session has locked one: a migration, a maintenance command, or a
//! transaction that was left open.

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::error::DatabaseError;
use super::pool::Database;

const LOCKED_TABLES: &str = include_str!("sql/locked_tables.sql");

pub(crate) const STATEMENTS: &[(&str, &str)] = &[("locked_tables", LOCKED_TABLES)];

/// Takes the locks that a login, an upload and a poll take, and gives them back. Nothing else waits for these locks except
/// what would lock the tables out.
const TAKE_LOCKS: &str = "begin; \
     set local lock_timeout = '1s'; \
     lock table tenants, imports, idempotency_keys in row exclusive mode; \
     lock table tenant_hosts, users, system_groups, system_group_members, chunk_outcomes in access share mode; \
     rollback";

/// The tables that [`TAKE_LOCKS`] names.
const TABLES: &[&str] = &[
    "tenants",
    "imports",
    "idempotency_keys",
    "tenant_hosts",
    "users",
    "system_groups",
    "system_group_members",
    "chunk_outcomes",
];

/// A connection of its own to Postgres: while a table is locked, every connection of a pool may be waiting for it.
pub struct LockProbe(Client);

impl Database {
    /// Connects a probe. Fails if the database is away.
    pub async fn lock_probe(&self) -> Result<LockProbe, DatabaseError> {
        Ok(LockProbe(self.connect_client().await?))
    }
}

impl LockProbe {
    pub fn is_open(&self) -> bool {
        !self.0.is_closed()
    }

    /// The tables that are locked, or `None` if none is. They may have been released meanwhile: then the list is empty.
    pub async fn locked_tables(&self) -> Result<Option<Vec<String>>, DatabaseError> {
        let error = match self.0.batch_execute(TAKE_LOCKS).await {
            Ok(()) => return Ok(None),
            Err(error) => error,
        };
        if error.code() != Some(&SqlState::LOCK_NOT_AVAILABLE) {
            return Err(error.into());
        }
        self.0.batch_execute("rollback").await?;
        let rows = self.0.query(LOCKED_TABLES, &[&TABLES]).await?;
        Ok(Some(rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?))
    }
}
