//! Uploads at rest. Each is written once, sealed and hashed as it arrives, and durable before its import is accepted
//! (invariant 2).

use std::io::{self, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::stream::{Stream, TryStreamExt as _};
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::{GetResultPayload, ObjectStore, ObjectStoreExt as _, WriteMultipart};
use sha2::{Digest as _, Sha256};
use tokio_util::io::{StreamReader, SyncIoBridge};
use uuid::Uuid;

use crate::crash_point::{self, CrashPoint};
use crate::crypto::upload_stream::{UploadHead, UploadOpener, UploadSealer};
use crate::ids::{ImportId, TenantId};
use crate::key_ring::ring::{KeyRing, KeyUnavailable};

/// Bytes collected before they are handed to the store. One upload in progress takes a small multiple of this in memory,
/// however slowly it arrives.
const PART_BYTES: usize = 64 * 1024;
/// Uploads of at most this many bytes are read as a whole when they are opened.
pub const SMALL_UPLOAD_BYTES: u64 = 64 * 1024;
/// Bytes that sealing adds to a small upload, at most.
const MAX_SEALING_BYTES: u64 = 1024;
/// Parts that may be in transit to the store at once.
const PARTS_IN_TRANSIT: usize = 2;

/// The folder of markers in the store: one for each installation that uses it.
const MARKERS: &str = "installations";

/// The folder of objects that are written to see that the store works, and what time it has. Each is deleted at once; what a
/// killed process leaves is treated as an incomplete upload.
const PROBES: &str = "probes";

/// What a marker says to people who find it.
const MARKER_TEXT: &str =
    "This folder holds the uploads of an installation of Rollcall, which does not start without this file.\n";

/// Why an upload could not be stored or read. All but [`Missing`](Self::Missing) and
/// [`Damaged`](Self::Damaged) may be temporary.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The store failed or is unreachable: the disk may be full.
    #[error("the upload store failed")]
    Store(#[from] object_store::Error),
    /// The store is there, with other uploads of the tenant, and this one is not: it was lost. Where the tenant has none,
    /// the store itself may be missing, as a folder that is not mounted.
    #[error("the upload is missing from the upload store")]
    Missing,
    /// The upload's folder cannot be used.
    #[error("the upload folder {path} cannot be used")]
    Folder { path: String, source: io::Error },
    /// The store lacks the installation's marker: another folder is mounted there now, or none.
    #[error("the upload store is not this installation's: its marker is missing")]
    Unmarked,
    /// The upload is sealed with a key that this process does not have, or cannot read now.
    #[error("the upload cannot be opened now")]
    KeyUnavailable(#[from] KeyUnavailable),
    /// What is stored is no sealed upload.
    #[error("the stored upload is damaged")]
    Damaged(#[source] io::Error),
}

/// The store of sealed uploads. Cheap to clone.
#[derive(Clone)]
pub struct UploadStore {
    store: Arc<dyn ObjectStore>,
    folder: PathBuf,
    ring: KeyRing,
    /// The installation's marker, which is there as long as the store is the right one. `None` while it is not known.
    marker: Option<ObjectPath>,
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
    /// A store in a local folder, which must exist.
    pub fn in_folder(folder: &Path, ring: KeyRing) -> Result<Self, UploadError> {
        let failed = |source| UploadError::Folder { path: folder.display().to_string(), source };
        let folder = folder.canonicalize().map_err(failed)?;
        // Without fsync an accepted upload could be lost in a power failure.
        let store = LocalFileSystem::new_with_prefix(&folder)?.with_fsync(true);
        Ok(Self { store: Arc::new(store), folder, ring, marker: None })
    }

    /// The same store, used only as long as it has this marker.
    #[must_use]
    pub fn marked_with(mut self, marker: Uuid) -> Self {
        self.marker = Some(marker_path(marker));
        self
    }

    /// Puts a marker into the store.
    pub async fn put_marker(&self, marker: Uuid) -> Result<(), UploadError> {
        self.store.put(&marker_path(marker), Bytes::from_static(MARKER_TEXT.as_bytes()).into()).await?;
        Ok(())
    }

    /// Fails unless the store is the installation's. A folder that was unmounted is an empty one, which takes uploads that
    /// no other process sees.
    pub async fn check_marker(&self) -> Result<(), UploadError> {
        check_marker(&*self.store, self.marker.as_ref()).await
    }

    /// Fails unless the store accepts an upload now: stores one and deletes it.
    pub async fn check(&self) -> Result<(), UploadError> {
        self.check_marker().await?;
        self.now().await?;
        Ok(())
    }

    /// The time by the clock of the store, which dates the uploads in it: that of an object that is written now. This
    /// machine's clock may differ by hours.
    async fn now(&self) -> Result<DateTime<Utc>, UploadError> {
        let probe = ObjectPath::from(format!("{PROBES}/{}", Uuid::new_v4()));
        self.store.put(&probe, Bytes::from_static(b"probe").into()).await?;
        let written = self.store.head(&probe).await;
        self.store.delete(&probe).await?;
        Ok(written?.last_modified)
    }

    /// Whether an upload is stored.
    pub async fn has(&self, tenant: TenantId, import: ImportId) -> Result<bool, UploadError> {
        match self.store.head(&path(tenant, import)).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// All complete uploads.
    pub fn list(&self) -> impl Stream<Item = Result<(TenantId, ImportId), UploadError>> + Send + use<> {
        self.store
            .list(None)
            .map_err(UploadError::from)
            .try_filter_map(async |upload| Ok(upload_at(&upload.location)))
    }

    /// Starts to store an upload.
    pub fn begin(&self, tenant: TenantId, import: ImportId) -> UploadWriter {
        let keys = self.ring.keys();
        let sealing = keys.sealing();
        UploadWriter {
            store: Arc::clone(&self.store),
            marker: self.marker.clone(),
            path: path(tenant, import),
            sealer: UploadSealer::new(sealing.id, &sealing.key, &context(tenant, import)),
            hash: Sha256::new(),
            bytes: 0,
            pending: Vec::new(),
            parts: None,
        }
    }

    /// Opens an upload for reading on a blocking thread, or on any thread if it is [small](SMALL_UPLOAD_BYTES).
    pub async fn open(
        &self,
        tenant: TenantId,
        import: ImportId,
    ) -> Result<impl Read + Send + use<>, UploadError> {
        let found = match self.store.get(&path(tenant, import)).await {
            Err(object_store::Error::NotFound { .. }) if self.has_uploads_of(tenant).await? => {
                return Err(UploadError::Missing);
            }
            found => found?,
        };
        let is_small = found.meta.size <= SMALL_UPLOAD_BYTES + MAX_SEALING_BYTES;
        let mut sealed: Box<dyn Read + Send> = match found.payload {
            GetResultPayload::File(file, _) => Box::new(BufReader::new(file)),
            GetResultPayload::Stream(stream) => Box::new(SyncIoBridge::new(StreamReader::new(stream))),
        };
        let reading = tokio::task::spawn_blocking(move || {
            let head = UploadHead::read(&mut sealed)?;
            if is_small {
                let mut content = Vec::new();
                sealed.read_to_end(&mut content)?;
                sealed = Box::new(Cursor::new(content));
            }
            Ok((head, sealed))
        });
        let (head, sealed) = reading.await.expect("reading does not panic and is not cancelled").map_err(
            |error: io::Error| match error.kind() {
                io::ErrorKind::InvalidData => UploadError::Damaged(error),
                _ => self.unreadable(error),
            },
        )?;
        let key = self.ring.seal_key(head.key).await?;
        Ok(UploadOpener::new(head, &key.key, &context(tenant, import), sealed))
    }

    /// Fails unless an upload can be opened: reads its first segment.
    pub async fn opens(&self, tenant: TenantId, import: ImportId) -> Result<(), UploadError> {
        let mut upload = self.open(tenant, import).await?;
        let reading = tokio::task::spawn_blocking(move || upload.read(&mut [0]));
        match reading.await.expect("reading does not panic and is not cancelled") {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(UploadError::Damaged(error)),
            Err(source) => Err(self.unreadable(source)),
        }
    }

    fn unreadable(&self, source: io::Error) -> UploadError {
        UploadError::Folder { path: self.folder.display().to_string(), source }
    }

    async fn has_uploads_of(&self, tenant: TenantId) -> Result<bool, UploadError> {
        let mut stored = self.store.list(Some(&ObjectPath::from(tenant.to_string())));
        Ok(stored.try_next().await?.is_some())
    }

    /// Deletes an upload, if it exists.
    pub async fn delete(&self, tenant: TenantId, import: ImportId) -> Result<(), UploadError> {
        match self.store.delete(&path(tenant, import)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The complete uploads that are older than `age`, by the store's clock.
    pub async fn older_than(
        &self,
        age: Duration,
    ) -> Result<impl Stream<Item = Result<(TenantId, ImportId), UploadError>> + Send + use<>, UploadError>
    {
        let before = self.now().await? - age;
        let found = self.store.list(None).map_err(UploadError::from);
        Ok(found.try_filter_map(move |upload| async move {
            Ok(upload_at(&upload.location).filter(|_| upload.last_modified < before))
        }))
    }

    /// Deletes incomplete uploads that have not grown for `age`, by the store's clock: the API that received them died.
    /// Returns how many.
    pub async fn delete_incomplete(&self, age: Duration) -> Result<usize, UploadError> {
        let before = SystemTime::from(self.now().await? - age);
        let folder = self.folder.clone();
        let deleted = tokio::task::spawn_blocking(move || {
            delete_incomplete_files(&folder, before)
                .map_err(|source| UploadError::Folder { path: folder.display().to_string(), source })
        });
        deleted.await.expect("the deletion does not panic and is not cancelled")
    }
}

/// Deletes the files that uploads are written to before they get their names, and probes, if they have not been modified
/// since `before`.
fn delete_incomplete_files(folder: &Path, before: SystemTime) -> io::Result<usize> {
    let mut deleted = 0;
    for tenant in std::fs::read_dir(folder)? {
        let tenant = tenant?;
        if !tenant.file_type()?.is_dir() {
            continue;
        }
        let is_probes = tenant.file_name() == PROBES;
        for file in std::fs::read_dir(tenant.path())? {
            let file = file?;
            // How the store marks an incomplete file.
            let is_incomplete = is_probes || file.file_name().to_string_lossy().contains('#');
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

fn marker_path(marker: Uuid) -> ObjectPath {
    ObjectPath::from(format!("{MARKERS}/{marker}"))
}

async fn check_marker(store: &dyn ObjectStore, marker: Option<&ObjectPath>) -> Result<(), UploadError> {
    let Some(marker) = marker else { return Ok(()) };
    match store.head(marker).await {
        Ok(_) => Ok(()),
        Err(object_store::Error::NotFound { .. }) => Err(UploadError::Unmarked),
        Err(error) => Err(error.into()),
    }
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
    marker: Option<ObjectPath>,
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
        // Last, so that what was written is where the other processes look.
        check_marker(&*self.store, self.marker.as_ref()).await?;
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
