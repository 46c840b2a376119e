//! How data keys are stored: each wrapped by the service key, or by two of them while the key is rotated.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::data_keys::{DataKeys, SealKey};
use crate::crypto::key::{DataKey, ORIGINAL_KEY, ServiceKey, ServiceKeyId};
use crate::postgres::error::DatabaseError;
use crate::postgres::pool::Connection;
use crate::postgres::tables::{data_keys, service_keys, wrapped_keys};

/// The id of the first data key for digests, and of the first for seals.
const FIRST_DIGESTS: i32 = 1;
const FIRST_SEALS: i32 = 2;

/// What a data key is for, as it is stored.
pub(super) const DIGESTS: &str = "digests";
pub(super) const SEALS: &str = "seals";

/// Why the data keys could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The installation has another service key.
    #[error(
        "ROLLCALL_KEY has the id {0}, which is not this installation's: `rollcall keys status` lists those that are"
    )]
    Wrong(ServiceKeyId),
    /// A data key was changed in the database, or one is missing.
    #[error(
        "the data keys in the database are damaged: restore the tables data_keys and wrapped_keys from a backup"
    )]
    Damaged,
    #[error("the database failed")]
    Database(#[from] DatabaseError),
}

impl From<diesel::result::Error> for KeyError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Database(error.into())
    }
}

/// A data key of the installation, opened.
pub(super) struct StoredKey {
    pub id: i32,
    pub purpose: String,
    pub key: DataKey,
}

/// The data keys that `key` opens. `None` if the installation has none yet.
pub async fn load(conn: &mut Connection, key: &ServiceKey) -> Result<Option<DataKeys>, KeyError> {
    let Some(stored) = load_stored(conn, key).await? else { return Ok(None) };
    let mut digests = None;
    let mut seals = Vec::new();
    for StoredKey { id, purpose, key } in stored {
        match purpose.as_str() {
            DIGESTS => digests = Some(key),
            _ => seals.push(SealKey::new(id, key)),
        }
    }
    let digests = digests.ok_or(KeyError::Damaged)?;
    DataKeys::new(digests, seals).map(Some).ok_or(KeyError::Damaged)
}

/// Likewise, as they are stored. Keys that `key` does not wrap are left out.
pub(super) async fn load_stored(
    conn: &mut Connection,
    key: &ServiceKey,
) -> Result<Option<Vec<StoredKey>>, KeyError> {
    let stored: Vec<(i32, String, Option<Vec<u8>>)> = data_keys::table
        .left_join(
            wrapped_keys::table.on(wrapped_keys::data_key_id
                .eq(data_keys::id)
                .and(wrapped_keys::service_key_id.eq(key.id().as_str().to_owned()))),
        )
        .select((data_keys::id, data_keys::purpose, wrapped_keys::wrapped.nullable()))
        .order(data_keys::id)
        .load(conn)
        .await?;
    if stored.is_empty() {
        return Ok(None);
    }
    let opened = stored.into_iter().filter_map(|(id, purpose, wrapped)| {
        let opened = key.unwrap(id, &wrapped?).ok_or(KeyError::Damaged);
        Some(opened.map(|key| StoredKey { id, purpose, key }))
    });
    let opened: Vec<StoredKey> = opened.collect::<Result<_, _>>()?;
    if opened.is_empty() { Err(KeyError::Wrong(key.id())) } else { Ok(Some(opened)) }
}

/// The service keys that open the data keys, the newest last.
pub async fn service_key_ids(conn: &mut Connection) -> QueryResult<Vec<ServiceKeyId>> {
    let ids: Vec<String> =
        service_keys::table.order(service_keys::added_at).select(service_keys::id).load(conn).await?;
    Ok(ids.into_iter().map(ServiceKeyId::stored).collect())
}

/// Creates the installation's data keys. Must run in a transaction that has locked the installation.
///
/// `sealed_directly`: something was sealed with keys derived from the service key itself, which goes on.
pub(crate) async fn create_in_txn(
    conn: &mut Connection,
    key: &ServiceKey,
    sealed_directly: bool,
) -> QueryResult<DataKeys> {
    let (digests, seals) = if sealed_directly {
        (key.as_data_key(), SealKey::new(ORIGINAL_KEY, key.as_data_key()))
    } else {
        (DataKey::generate(), SealKey::new(FIRST_SEALS, DataKey::generate()))
    };
    add_service_key(conn, key).await?;
    add_data_key(conn, FIRST_DIGESTS, DIGESTS).await?;
    add_data_key(conn, seals.id, SEALS).await?;
    store_wrapped(conn, key, FIRST_DIGESTS, &digests).await?;
    store_wrapped(conn, key, seals.id, &seals.key).await?;
    Ok(DataKeys::new(digests, [seals]).expect("there is a key for seals"))
}

pub(super) async fn add_service_key(conn: &mut Connection, key: &ServiceKey) -> QueryResult<()> {
    let row = service_keys::id.eq(key.id().as_str().to_owned());
    diesel::insert_into(service_keys::table).values(row).execute(conn).await?;
    Ok(())
}

pub(super) async fn add_data_key(conn: &mut Connection, id: i32, purpose: &str) -> QueryResult<()> {
    let row = (data_keys::id.eq(id), data_keys::purpose.eq(purpose.to_owned()));
    diesel::insert_into(data_keys::table).values(row).execute(conn).await?;
    Ok(())
}

pub(super) async fn store_wrapped(
    conn: &mut Connection,
    key: &ServiceKey,
    id: i32,
    data_key: &DataKey,
) -> QueryResult<()> {
    let row = (
        wrapped_keys::service_key_id.eq(key.id().as_str().to_owned()),
        wrapped_keys::data_key_id.eq(id),
        wrapped_keys::wrapped.eq(key.wrap(id, data_key)),
    );
    diesel::insert_into(wrapped_keys::table).values(row).execute(conn).await?;
    Ok(())
}
