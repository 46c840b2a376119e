//! Uploads at rest. Each is written once, sealed and hashed as it arrives, and durable before its import is accepted
//! (invariant 2).

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::stream::{Stream, TryStreamExt as _};
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::{GetResultPayload, ObjectStore, ObjectStoreExt as _, WriteMultipart};
use sha2::{Digest as _, Sha256};
use tokio_util::io::{StreamReader, SyncIoBridge};
use uuid::Uuid;

use crate::crash_point::{self, CrashPoint};
use crate::crypto::key::ServiceKey;
use crate::crypto::upload_stream::{UploadOpener, UploadSealer};
use crate::ids::{ImportId, TenantId};

/// Bytes collected before they are handed to the store. One upload in progress takes a small multiple of this in memory,
/// however slowly it arrives.
const PART_BYTES: usize = 64 * 1024;
/// Parts that may be in transit to the store at once.
const PARTS_IN_TRANSIT: usize = 2;

/// Why an upload could not be stored or read. Every one of these may be temporary.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The store failed or is unreachable: the disk may be full.
    #[error("the upload store failed")]
    Store(#[from] object_store::Error),
    /// The upload's folder cannot be used.
    #[error("the upload folder {path} cannot be used")]
    Folder { path: String, source: io::Error },
}

/// The store of sealed uploads. Cheap to clone.
#[derive(Clone)]
pub struct UploadStore {
    store: Arc<dyn ObjectStore>,
    folder: PathBuf,
    key: ServiceKey,
}

/// What an upload was when it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredUpload {
    /// Bytes of the file as the client sent it.
    pub bytes: u64,
    /// SHA-256 of the file as the client sent it.
    pub sha256: [u8; 32],
}

impl UploadStore {
    /// A store in a local folder, which is created if it does not exist.
    pub fn in_folder(folder: &Path, key: ServiceKey) -> Result<Self, UploadError> {
        let failed = |source| UploadError::Folder { path: folder.display().to_string(), source };
        std::fs::create_dir_all(folder).map_err(failed)?;
        let folder = folder.canonicalize().map_err(failed)?;
        // Without fsync an accepted upload could be lost in a power failure.
        let store = LocalFileSystem::new_with_prefix(&folder)?.with_fsync(true);
        Ok(Self { store: Arc::new(store), folder, key })
    }

    /// Fails unless the store accepts an upload now: stores one and deletes it.
    pub async fn check(&self) -> Result<(), UploadError> {
        // It belongs to no tenant, so the janitor does not treat it as an orphaned upload.
        let probe = path(Uuid::nil().into(), ImportId::generate());
        self.store.put(&probe, Bytes::from_static(b"probe").into()).await?;
        self.store.delete(&probe).await?;
        Ok(())
    }

    /// Starts to store an upload.
    pub fn begin(&self, tenant: TenantId, import: ImportId) -> UploadWriter {
        UploadWriter {
            store: Arc::clone(&self.store),
            path: path(tenant, import),
            sealer: UploadSealer::new(&self.key, &context(tenant, import)),
            hash: Sha256::new(),
            bytes: 0,
            pending: Vec::new(),
            parts: None,
        }
    }

    /// Opens an upload for reading on a blocking thread.
    pub async fn open(
        &self,
        tenant: TenantId,
        import: ImportId,
    ) -> Result<impl Read + Send + use<>, UploadError> {
        let found = self.store.get(&path(tenant, import)).await?;
        let sealed: Box<dyn Read + Send> = match found.payload {
            GetResultPayload::File(file, _) => Box::new(file),
            GetResultPayload::Stream(stream) => Box::new(SyncIoBridge::new(StreamReader::new(stream))),
        };
        Ok(UploadOpener::new(&self.key, &context(tenant, import), sealed))
    }

    /// Deletes an upload, if it exists.
    pub async fn delete(&self, tenant: TenantId, import: ImportId) -> Result<(), UploadError> {
        match self.store.delete(&path(tenant, import)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The complete uploads that are older than `age`.
    pub fn older_than(
        &self,
        age: Duration,
    ) -> impl Stream<Item = Result<(TenantId, ImportId), UploadError>> + Send + use<> {
        let before = chrono::DateTime::<chrono::Utc>::from(SystemTime::now() - age);
        let found = self.store.list(None).map_err(UploadError::from);
        found.try_filter_map(move |upload| async move {
            Ok(upload_at(&upload.location).filter(|_| upload.last_modified < before))
        })
    }

    /// Deletes incomplete uploads that have not grown for `age`: the API that received them died. Returns how many.
    pub async fn delete_incomplete(&self, age: Duration) -> Result<usize, UploadError> {
        let folder = self.folder.clone();
        let deleted = tokio::task::spawn_blocking(move || {
            delete_incomplete_files(&folder, SystemTime::now() - age)
                .map_err(|source| UploadError::Folder { path: folder.display().to_string(), source })
        });
        deleted.await.expect("the deletion does not panic and is not cancelled")
    }
}

/// Deletes the files that uploads are written to before they get their names, if they have not been modified since
/// `before`.
fn delete_incomplete_files(folder: &Path, before: SystemTime) -> io::Result<usize> {
    let mut deleted = 0;
    for tenant in std::fs::read_dir(folder)? {
        let tenant = tenant?;
        if !tenant.file_type()?.is_dir() {
            continue;
        }
        for file in std::fs::read_dir(tenant.path())? {
            let file = file?;
            // How the store marks an incomplete file.
            let is_incomplete = file.file_name().to_string_lossy().contains('#');
            // A file that has disappeared was completed, or another worker deleted it.
            if is_incomplete
                && file.metadata().and_then(|meta| meta.modified()).is_ok_and(|written| written < before)
                && std::fs::remove_file(file.path()).is_ok()
            {
                deleted += 1;
            }
        }
    }
    Ok(deleted)
}

/// The reverse of [`path`].
fn upload_at(path: &ObjectPath) -> Option<(TenantId, ImportId)> {
    let mut parts = path.parts();
    let tenant = parts.next()?.as_ref().parse().ok()?;
    let import = parts.next()?.as_ref().parse().ok()?;
    parts.next().is_none().then_some((tenant, import))
}

fn path(tenant: TenantId, import: ImportId) -> ObjectPath {
    ObjectPath::from(format!("{tenant}/{import}"))
}

fn context(tenant: TenantId, import: ImportId) -> [u8; 32] {
    let mut context = [0; 32];
    context[..16].copy_from_slice(tenant.as_bytes());
    context[16..].copy_from_slice(import.as_bytes());
    context
}

/// An upload in progress. Readers never see it until it is finished.
pub struct UploadWriter {
    store: Arc<dyn ObjectStore>,
    path: ObjectPath,
    sealer: UploadSealer,
    hash: Sha256,
    bytes: u64,
    /// Sealed bytes that do not fill a part yet.
    pending: Vec<u8>,
    /// Opened when the first part is full: a small upload is a single write.
    parts: Option<WriteMultipart>,
}

impl UploadWriter {
    /// Bytes of the file so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds the next bytes of the file. Waits while the store cannot keep up.
    pub async fn write(&mut self, plain: &[u8]) -> Result<(), UploadError> {
        self.bytes += plain.len() as u64;
        self.hash.update(plain);
        self.sealer.write(plain);
        self.pending.append(&mut self.sealer.take_sealed());
        if self.pending.len() >= PART_BYTES {
            let part = std::mem::take(&mut self.pending);
            self.put(part).await?;
        }
        Ok(())
    }

    async fn put(&mut self, part: Vec<u8>) -> Result<(), UploadError> {
        if self.parts.is_none() {
            let upload = self.store.put_multipart(&self.path).await?;
            self.parts = Some(WriteMultipart::new_with_chunk_size(upload, PART_BYTES));
        }
        if let Some(parts) = &mut self.parts {
            parts.wait_for_capacity(PARTS_IN_TRANSIT).await?;
            parts.put(Bytes::from(part));
            crash_point::reached(CrashPoint::BetweenUploadParts);
        }
        Ok(())
    }

    /// Makes the upload durable.
    pub async fn finish(self) -> Result<StoredUpload, UploadError> {
        let mut last = self.pending;
        last.append(&mut self.sealer.finish());
        crash_point::reached(CrashPoint::BeforeUploadFinish);
        match self.parts {
            Some(mut parts) => {
                parts.put(Bytes::from(last));
                parts.finish().await?;
            }
            None => {
                self.store.put(&self.path, last.into()).await?;
            }
        }
        crash_point::reached(CrashPoint::AfterUploadFinish);
        Ok(StoredUpload { bytes: self.bytes, sha256: self.hash.finalize().into() })
    }

    /// Discards the upload.
    pub async fn abort(self) {
        if let Some(parts) = self.parts
            && let Err(error) = parts.abort().await
        {
            tracing::warn!(error = %error, "an incomplete upload could not be deleted; the janitor will delete it later");
        }
    }
}
