//! Replacing the service key while the service runs:
//!
//! 1. [`begin`]: every data key is wrapped by the new service key as well, and a new data key is added for what is sealed
//!    from now on. Processes with either key start, and open everything.
//! 2. Every process is started again with the new key.
//! 3. [`finish`]: what the old key wraps is deleted. From then on it opens nothing in this database.
//!
//! Data keys are kept: what was sealed with an older one opens for ever.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection as _, RunQueryDsl};
use serde::Serialize;

use super::store::{
    KeyError, SEALS, add_data_key, add_service_key, load_stored, service_key_ids, store_wrapped,
};
use crate::crypto::key::{DataKey, ServiceKey, ServiceKeyId};
use crate::postgres::client::Session;
use crate::postgres::error::DatabaseError;
use crate::postgres::pool::{Connection, Database};
use crate::postgres::tables::{data_keys, installation, service_keys, wrapped_keys};

const CONNECTED_PROCESSES: &str = include_str!("sql/connected_processes.sql");

pub(crate) const STATEMENTS: &[(&str, &str)] = &[("connected_processes", CONNECTED_PROCESSES)];

/// Why a rotation cannot go on. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("no process has started with a key yet: set ROLLCALL_KEY to the key that you want")]
    NoKeys,
    #[error("the new key is the present one: create another with `openssl rand -hex 32`")]
    SameKey,
    #[error("a rotation to the key {0} is under way: end it with --finish or --cancel first")]
    UnderWay(ServiceKeyId),
    #[error("no rotation is under way: the installation has one key, {0}")]
    NotUnderWay(ServiceKeyId),
    #[error("ROLLCALL_KEY is not the key {wanted}, with which a rotation is {done}: set it")]
    OtherKey { wanted: ServiceKeyId, done: &'static str },
    #[error("processes still run with the key {key} ({}): start them again with the other key first", .processes.join(", "))]
    StillUsed { key: ServiceKeyId, processes: Vec<String> },
}

impl From<diesel::result::Error> for RotationError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Key(error.into())
    }
}

impl From<DatabaseError> for RotationError {
    fn from(error: DatabaseError) -> Self {
        Self::Key(error.into())
    }
}

/// The name of a process's sessions, by which it is seen which key it runs with.
pub fn process_name(program: &str, key: &ServiceKey) -> String {
    format!("{program} {}", key.id())
}

/// The service keys and data keys of an installation.
#[derive(Debug, Serialize)]
pub struct KeyStatus {
    /// The oldest first. Two while a rotation is under way.
    pub service_keys: Vec<ServiceKeyStatus>,
    pub data_keys: Vec<DataKeyStatus>,
}

#[derive(Debug, Serialize)]
pub struct ServiceKeyStatus {
    pub id: String,
    pub added_at: DateTime<Utc>,
    /// The kinds of processes that are connected to the database and run with it.
    pub processes: Vec<String>,
}

#[derive(Debug, Serialize)]
pub struct DataKeyStatus {
    pub id: i32,
    pub purpose: String,
    pub created_at: DateTime<Utc>,
}

pub async fn status(database: &Database) -> Result<KeyStatus, DatabaseError> {
    let connected = connected_processes(&database.session_for_all().await?).await?;
    let mut conn = database.connection().await?;
    let keys: Vec<(String, DateTime<Utc>)> = service_keys::table
        .order(service_keys::added_at)
        .select((service_keys::id, service_keys::added_at))
        .load(&mut conn)
        .await?;
    let service_keys = keys.into_iter().map(|(id, added_at)| {
        let processes = running_with(&connected, &id);
        ServiceKeyStatus { id, added_at, processes }
    });
    let data_keys: Vec<(i32, String, DateTime<Utc>)> = data_keys::table
        .order(data_keys::id)
        .select((data_keys::id, data_keys::purpose, data_keys::created_at))
        .load(&mut conn)
        .await?;
    let data_keys =
        data_keys.into_iter().map(|(id, purpose, created_at)| DataKeyStatus { id, purpose, created_at });
    Ok(KeyStatus { service_keys: service_keys.collect(), data_keys: data_keys.collect() })
}

/// Whether a rotation was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    Now,
    /// It is under way already, to the same key.
    Before,
}

/// Begins to replace the service key by `new`.
pub async fn begin(
    conn: &mut Connection,
    current: &ServiceKey,
    new: &ServiceKey,
) -> Result<Begun, RotationError> {
    conn.transaction(async |conn| {
        lock_installation(conn).await?;
        let stored = load_stored(conn, current).await?.ok_or(RotationError::NoKeys)?;
        if current.id() == new.id() {
            return Err(RotationError::SameKey);
        }
        let ids = service_key_ids(conn).await?;
        if ids.contains(&new.id()) {
            return Ok(Begun::Before);
        }
        if let [_, .., newest] = ids.as_slice() {
            return Err(RotationError::UnderWay(newest.clone()));
        }
        add_service_key(conn, new).await?;
        for data_key in &stored {
            store_wrapped(conn, new, data_key.id, &data_key.key).await?;
        }
        let (id, key) = (1 + stored.iter().map(|key| key.id).max().unwrap_or(0), DataKey::generate());
        add_data_key(conn, id, SEALS).await?;
        store_wrapped(conn, current, id, &key).await?;
        store_wrapped(conn, new, id, &key).await?;
        Ok(Begun::Now)
    })
    .await
}

/// Ends a rotation for the new key, which `key` must be. Returns the old ones, which open nothing any more.
pub async fn finish(database: &Database, key: &ServiceKey) -> Result<Vec<ServiceKeyId>, RotationError> {
    end(database, key, <[ServiceKeyId]>::last, "finished").await
}

/// Ends a rotation for the old key, which `key` must be. Returns the new one, which opens nothing any more. The data key that
/// the rotation added stays.
pub async fn cancel(database: &Database, key: &ServiceKey) -> Result<Vec<ServiceKeyId>, RotationError> {
    end(database, key, <[ServiceKeyId]>::first, "cancelled").await
}

/// Deletes what all service keys wrap but the one that `kept` chooses.
async fn end(
    database: &Database,
    key: &ServiceKey,
    kept: fn(&[ServiceKeyId]) -> Option<&ServiceKeyId>,
    done: &'static str,
) -> Result<Vec<ServiceKeyId>, RotationError> {
    let connected = connected_processes(&database.session_for_all().await?).await?;
    let mut conn = database.connection().await?;
    conn.transaction(async |conn| {
        lock_installation(conn).await?;
        let ids = service_key_ids(conn).await?;
        let wanted = kept(&ids).ok_or(RotationError::NoKeys)?;
        if ids.len() == 1 {
            return Err(RotationError::NotUnderWay(wanted.clone()));
        }
        if *wanted != key.id() {
            return Err(RotationError::OtherKey { wanted: wanted.clone(), done });
        }
        let opened = load_stored(conn, key).await?.ok_or(RotationError::NoKeys)?;
        let all: i64 = data_keys::table.count().get_result(conn).await?;
        // Whatever only another service key wraps would be lost.
        if i64::try_from(opened.len()) != Ok(all) {
            return Err(KeyError::Damaged.into());
        }
        let removed: Vec<ServiceKeyId> = ids.iter().filter(|id| *id != wanted).cloned().collect();
        for id in &removed {
            let processes = running_with(&connected, id.as_str());
            if !processes.is_empty() {
                return Err(RotationError::StillUsed { key: id.clone(), processes });
            }
            let id = id.as_str().to_owned();
            diesel::delete(wrapped_keys::table.filter(wrapped_keys::service_key_id.eq(&id)))
                .execute(conn)
                .await?;
            diesel::delete(service_keys::table.find(&id)).execute(conn).await?;
        }
        Ok(removed)
    })
    .await
}

/// Locks what the installation has one of, until the transaction ends.
pub(crate) async fn lock_installation(conn: &mut Connection) -> QueryResult<(bool, Option<uuid::Uuid>)> {
    installation::table
        .select((installation::sealed_directly, installation::upload_store))
        .for_no_key_update()
        .first(conn)
        .await
}

async fn connected_processes(session: &Session) -> Result<Vec<String>, DatabaseError> {
    let rows = session.query(CONNECTED_PROCESSES, &[]).await?;
    Ok(rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?)
}

/// The programs among the connected ones that run with a service key.
fn running_with(connected: &[String], id: &str) -> Vec<String> {
    let programs = connected.iter().filter_map(|name| name.strip_suffix(id));
    programs.map(|program| program.trim().to_owned()).collect()
}
