//! The uploads at rest: written once, sealed and hashed on the way, durable before the import is accepted.

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

use crate::edge::{self, Edge};
use crate::ids::{ImportId, TenantId};
use crate::seal::{ServiceKey, UploadOpener, UploadSealer};

/// Bytes held before they are handed to the store: what one upload under way costs in memory, a few times.
const PART: usize = 256 * 1024;
/// Parts that may be on their way to the store at once.
const PARTS_UNDER_WAY: usize = 2;

/// Why an upload could not be stored or read. All of these may pass.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The store refused or cannot be reached: the disk is full, say.
    #[error("the upload store failed")]
    Store(#[from] object_store::Error),
    /// The upload's folder cannot be used.
    #[error("the upload folder {path} cannot be used")]
    Folder {
        /// The folder that was configured.
        path: String,
        /// What the operating system says.
        source: io::Error,
    },
}

/// Where sealed uploads are kept.
#[derive(Clone)]
pub struct UploadStore {
    store: Arc<dyn ObjectStore>,
    folder: PathBuf,
    key: ServiceKey,
}

/// What was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Bytes of the file as the client sent it.
    pub bytes: u64,
    /// SHA-256 of the file as the client sent it.
    pub sha256: [u8; 32],
}

impl UploadStore {
    /// A store in a local folder, which is made if it is missing.
    pub fn in_folder(folder: &Path, key: ServiceKey) -> Result<Self, UploadError> {
        let failed = |source| UploadError::Folder { path: folder.display().to_string(), source };
        std::fs::create_dir_all(folder).map_err(failed)?;
        let folder = folder.canonicalize().map_err(failed)?;
        // Without fsync an upload that was answered for could vanish with the power.
        let store = LocalFileSystem::new_with_prefix(&folder)?.with_fsync(true);
        Ok(Self { store: Arc::new(store), folder, key })
    }

    /// Whether the store takes an upload now: it is given one, which is then removed.
    pub async fn check(&self) -> Result<(), UploadError> {
        // Of no tenant, so that nobody takes it for an upload whose import is missing.
        let probe = path(Uuid::nil().into(), ImportId::generate());
        self.store.put(&probe, Bytes::from_static(b"probe").into()).await?;
        self.store.delete(&probe).await?;
        Ok(())
    }

    /// Begins to store an upload.
    pub fn begin(&self, tenant: TenantId, import: ImportId) -> UploadWriter {
        UploadWriter {
            store: Arc::clone(&self.store),
            path: path(tenant, import),
            sealer: self.key.upload_sealer(&context(tenant, import)),
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
        let opened: UploadOpener<_> = self.key.upload_opener(&context(tenant, import), sealed);
        Ok(opened)
    }

    /// Deletes an upload; one that is not there is as good as deleted.
    pub async fn delete(&self, tenant: TenantId, import: ImportId) -> Result<(), UploadError> {
        match self.store.delete(&path(tenant, import)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The complete uploads that were stored longer than `age` ago.
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

    /// Deletes what is left of uploads that broke off and to which nothing was added for `age`: their API died. Returns
    /// how many there were.
    pub async fn delete_half(&self, age: Duration) -> Result<usize, UploadError> {
        let folder = self.folder.clone();
        let swept = tokio::task::spawn_blocking(move || {
            sweep(&folder, SystemTime::now() - age)
                .map_err(|source| UploadError::Folder { path: folder.display().to_string(), source })
        });
        swept.await.expect("the sweep does not panic and is not cancelled")
    }
}

/// Deletes the files that an upload is written to before it has its name, and that nobody has written to since `before`.
fn sweep(folder: &Path, before: SystemTime) -> io::Result<usize> {
    let mut swept = 0;
    for tenant in std::fs::read_dir(folder)? {
        let tenant = tenant?;
        if !tenant.file_type()?.is_dir() {
            continue;
        }
        for file in std::fs::read_dir(tenant.path())? {
            let file = file?;
            // The store's own mark of a file that is not complete.
            let is_half = file.file_name().to_string_lossy().contains('#');
            // What is gone meanwhile has got its name, or another worker was faster.
            if is_half
                && file.metadata().and_then(|meta| meta.modified()).is_ok_and(|written| written < before)
                && std::fs::remove_file(file.path()).is_ok()
            {
                swept += 1;
            }
        }
    }
    Ok(swept)
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

/// An upload on its way into the store. One that is neither finished nor aborted is never seen by a reader.
pub struct UploadWriter {
    store: Arc<dyn ObjectStore>,
    path: ObjectPath,
    sealer: UploadSealer,
    hash: Sha256,
    bytes: u64,
    /// Sealed bytes, less than a part.
    pending: Vec<u8>,
    /// Opened when the first part is full: a small upload is one plain write.
    parts: Option<WriteMultipart>,
}

impl UploadWriter {
    /// Bytes of the file so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes the next bytes of the file; waits while the store is behind.
    pub async fn write(&mut self, plain: &[u8]) -> Result<(), UploadError> {
        self.bytes += plain.len() as u64;
        self.hash.update(plain);
        self.sealer.write(plain);
        self.pending.append(&mut self.sealer.take_sealed());
        if self.pending.len() >= PART {
            let part = std::mem::take(&mut self.pending);
            self.put(part).await?;
        }
        Ok(())
    }

    async fn put(&mut self, part: Vec<u8>) -> Result<(), UploadError> {
        if self.parts.is_none() {
            let upload = self.store.put_multipart(&self.path).await?;
            self.parts = Some(WriteMultipart::new_with_chunk_size(upload, PART));
        }
        if let Some(parts) = &mut self.parts {
            parts.wait_for_capacity(PARTS_UNDER_WAY).await?;
            parts.put(Bytes::from(part));
            edge::pass(Edge::BetweenUploadParts);
        }
        Ok(())
    }

    /// Makes the upload durable.
    pub async fn finish(self) -> Result<Stored, UploadError> {
        let mut last = self.pending;
        last.append(&mut self.sealer.finish());
        edge::pass(Edge::BeforeUploadFinish);
        match self.parts {
            Some(mut parts) => {
                parts.put(Bytes::from(last));
                parts.finish().await?;
            }
            None => {
                self.store.put(&self.path, last.into()).await?;
            }
        }
        edge::pass(Edge::AfterUploadFinish);
        Ok(Stored { bytes: self.bytes, sha256: self.hash.finalize().into() })
    }

    /// Throws away what was stored so far.
    pub async fn abort(self) {
        if let Some(parts) = self.parts
            && let Err(error) = parts.abort().await
        {
            tracing::warn!(error = %error, "a half upload could not be removed and stays in the store");
        }
    }
}
