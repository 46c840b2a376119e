//! The proof that a process's upload store is the installation's: a marker in the store, whose name the database knows.
//! Without it a mistyped folder would be an empty store, and every import would look for its upload in vain.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;

use diesel::prelude::*;
use diesel_async::{AsyncConnection as _, RunQueryDsl};
use uuid::Uuid;

use super::error::InstallationError;
use crate::crypto::key::DataKey;
use crate::ids::{ImportId, TenantId};
use crate::key_ring::data_keys::{DataKeys, SealKey};
use crate::key_ring::ring::KeyRing;
use crate::key_ring::rotation::lock_installation;
use crate::postgres::pool::{Connection, Database};
use crate::postgres::tables::{every_import, installation};
use crate::settings::error::SettingError;
use crate::uploads::{UploadError, UploadStore};

const SETTING: &str = "ROLLCALL_UPLOADS";
/// Imports whose uploads are looked for in a store that is not marked yet.
const SAMPLE: i64 = 20;

/// Fails unless the store has the installation's marker.
pub(super) async fn check(folder: &Path, marker: Uuid) -> Result<(), InstallationError> {
    let store = open_folder(folder, no_keys())?.marked_with(marker);
    match store.check_marker().await {
        Ok(()) => Ok(()),
        Err(UploadError::Unmarked) => Err(not_the_store(folder, "lacks its marker").into()),
        Err(error) => Err(unusable(&error).into()),
    }
}

/// Makes the store in `folder` the installation's, whatever it holds.
pub async fn adopt_upload_store(database: &Database, folder: &Path) -> Result<(), InstallationError> {
    let mut conn = database.connection().await?;
    conn.transaction(async |conn| {
        lock_installation(conn).await?;
        adopt(conn, folder).await?;
        Ok(())
    })
    .await
}

/// Likewise, in a transaction that has locked the installation. Returns the marker.
pub(super) async fn adopt(conn: &mut Connection, folder: &Path) -> Result<Uuid, InstallationError> {
    create_private(folder).map_err(|error| cannot_be_used(folder, &error))?;
    let marker = Uuid::new_v4();
    open_folder(folder, no_keys())?.put_marker(marker).await.map_err(|error| unusable(&error))?;
    diesel::update(installation::table).set(installation::upload_store.eq(marker)).execute(conn).await?;
    tracing::info!(folder = %folder.display(), "this upload folder is the installation's from now on");
    Ok(marker)
}

/// For a store that is not marked yet: fails if the installation has kept uploads and the folder has none of the newest.
pub(super) async fn prove(conn: &mut Connection, folder: &Path) -> Result<(), InstallationError> {
    let kept: Vec<(TenantId, ImportId)> = every_import::table
        .filter(every_import::upload_deleted_at.is_null())
        .order(every_import::submitted_at.desc())
        .limit(SAMPLE)
        .select((every_import::tenant_id, every_import::id))
        .load(conn)
        .await?;
    if kept.is_empty() {
        return Ok(());
    }
    if folder.exists() {
        let store = open_folder(folder, no_keys())?;
        for (tenant, import) in kept {
            if store.has(tenant, import).await.map_err(|error| unusable(&error))? {
                return Ok(());
            }
        }
    }
    Err(not_the_store(folder, "has none of its uploads").into())
}

/// The store in an existing folder. Other users of the machine get no access to it, as far as this one may decide that.
pub(super) fn open_folder(folder: &Path, keys: KeyRing) -> Result<UploadStore, SettingError> {
    if !folder.exists() {
        return Err(not_the_store(folder, "does not exist"));
    }
    close_to_others(folder);
    UploadStore::in_folder(folder, keys).map_err(|error| unusable(&error))
}

fn create_private(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Takes from other users what the folder grants them. A folder of another user, such as a volume's, stays as it is: its
/// tenants' folders and files are made by this user, for this user alone.
fn close_to_others(folder: &Path) {
    let closed = fs::metadata(folder).and_then(|found| {
        let mode = found.permissions().mode();
        let closed = mode & !0o077;
        if mode == closed {
            return Ok(());
        }
        fs::set_permissions(folder, fs::Permissions::from_mode(closed))
    });
    if let Err(error) = closed {
        tracing::warn!(folder = %folder.display(), %error, "the upload folder stays open to other users: chmod it to 700");
    }
}

/// For what is done without opening an upload.
fn no_keys() -> KeyRing {
    let seals = SealKey::new(i32::MAX, DataKey::generate());
    KeyRing::fixed(DataKeys::new(DataKey::generate(), [seals]).expect("there is a key for seals"))
}

fn not_the_store(folder: &Path, why: &str) -> SettingError {
    SettingError::new(
        SETTING,
        format!(
            "names {}, which is not the upload folder of this installation (it {why}): set it to the folder that the \
             installation's other processes use. If that one is lost for ever, make this one its successor with \
             `rollcall uploads adopt`",
            folder.display()
        ),
    )
}

pub(super) fn unusable(error: &UploadError) -> SettingError {
    let source = std::error::Error::source(error).map_or_else(String::new, |source| format!(": {source}"));
    SettingError::new(SETTING, format!("cannot be used: {error}{source}"))
}

fn cannot_be_used(folder: &Path, error: &io::Error) -> SettingError {
    SettingError::new(SETTING, format!("names {}, which cannot be created: {error}", folder.display()))
}
