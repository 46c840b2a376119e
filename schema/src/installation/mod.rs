//! What a process does before it works: it proves that it belongs to the installation. Its service key opens the
//! installation's data keys, and its upload store is the one that the other processes use.
//!
//! The first process of an installation creates the data keys and marks the store. An installation of a version without
//! either is taken over by the first process that can prove its key and its store with what was sealed before.

pub mod error;
mod upload_store;

use std::path::Path;
use std::time::Instant;

use backon::{ConstantBuilder, Retryable as _};
use diesel_async::AsyncConnection as _;
use futures_util::TryStreamExt as _;

use self::error::InstallationError;
use crate::crypto::key::{ServiceKey, ServiceKeyId};
use crate::key_ring::data_keys::DataKeys;
use crate::key_ring::ring::KeyRing;
use crate::key_ring::rotation::lock_installation;
use crate::key_ring::store::{self, KeyError};
use crate::passwords::keys::PasswordKeys;
use crate::passwords::reseal;
use crate::postgres::migrate::{START_RETRY_INTERVAL, START_TIMEOUT};
use crate::postgres::pool::{Connection, Database};
use crate::settings::error::SettingError;
use crate::uploads::{UploadError, UploadStore};

pub use upload_store::adopt_upload_store;

/// Sealed uploads and sealed passwords with which a key is tried.
const SAMPLE: usize = 5;

/// What the processes of an installation share.
pub struct Installation {
    pub keys: KeyRing,
    pub uploads: UploadStore,
}

impl Installation {
    /// Opens the installation with this service key and upload folder, or says which of them is wrong. Retries for half a
    /// minute while the database fails.
    pub async fn open(
        database: &Database,
        key: &ServiceKey,
        folder: &Path,
    ) -> Result<Self, InstallationError> {
        let deadline = Instant::now() + START_TIMEOUT;
        (|| Self::try_open(database, key, folder))
            .retry(ConstantBuilder::new().with_delay(START_RETRY_INTERVAL).without_max_times())
            .when(|error: &InstallationError| error.is_database_error() && Instant::now() < deadline)
            .notify(|error, _| {
                tracing::warn!(error = error as &dyn std::error::Error, "the database failed; retrying");
            })
            .await
    }

    async fn try_open(
        database: &Database,
        key: &ServiceKey,
        folder: &Path,
    ) -> Result<Self, InstallationError> {
        let mut conn = database.connection().await?;
        let (keys, marker) = conn
            .transaction(async |conn| {
                // Two first processes agree on what there is: the second waits here.
                let (sealed_directly, marker) = lock_installation(conn).await?;
                match marker {
                    Some(marker) => upload_store::check(folder, marker).await?,
                    None => upload_store::prove(conn, folder).await?,
                }
                let keys = match store::load(conn, key).await {
                    Ok(Some(keys)) => keys,
                    Ok(None) => {
                        if sealed_directly {
                            prove_original_key(database, key, folder).await?;
                        }
                        store::create_in_txn(conn, key, sealed_directly).await?
                    }
                    Err(KeyError::Wrong(_)) => return Err(wrong_key(conn, key).await?.into()),
                    Err(error) => return Err(error.into()),
                };
                let marker = match marker {
                    Some(marker) => marker,
                    None => upload_store::adopt(conn, folder).await?,
                };
                Ok::<_, InstallationError>((keys, marker))
            })
            .await?;
        let keys = KeyRing::new(keys, database.clone(), key.clone());
        let uploads = upload_store::open_folder(folder, keys.clone())?.marked_with(marker);
        Ok(Self { keys, uploads })
    }
}

async fn wrong_key(conn: &mut Connection, key: &ServiceKey) -> Result<SettingError, InstallationError> {
    let known = store::service_key_ids(conn).await?;
    let known: Vec<&str> = known.iter().map(ServiceKeyId::as_str).collect();
    Ok(not_the_key(key, &format!("whose key has the id {}", known.join(" or "))))
}

fn not_the_key(key: &ServiceKey, whose: &str) -> SettingError {
    SettingError::new(
        "ROLLCALL_KEY",
        format!(
            "is not the key of this installation, {whose}; the key given has the id {}. Set it to the key that the \
             installation's other processes have; `rollcall keys status` lists the ids",
            key.id()
        ),
    )
}

/// Fails if nothing that was sealed with keys derived from the service key itself opens with this one. Where nothing is
/// sealed now, the key is taken as it is.
async fn prove_original_key(
    database: &Database,
    key: &ServiceKey,
    folder: &Path,
) -> Result<(), InstallationError> {
    let ring = KeyRing::fixed(DataKeys::original(key));
    let mut tried = 0;
    if folder.exists() {
        let uploads = upload_store::open_folder(folder, ring.clone())?;
        let stored: Vec<_> =
            uploads.list().try_collect().await.map_err(|error| upload_store::unusable(&error))?;
        for (tenant, import) in stored.into_iter().take(SAMPLE) {
            match uploads.opens(tenant, import).await {
                Ok(()) => return Ok(()),
                Err(UploadError::Damaged(_)) => tried += 1,
                Err(_) => {}
            }
        }
    }
    let passwords = reseal::try_waiting(database, &PasswordKeys::new(&ring), SAMPLE).await?;
    if passwords.opened > 0 || tried + passwords.failed == 0 {
        return Ok(());
    }
    Err(not_the_key(key, "whose uploads and waiting passwords it does not open").into())
}
