//! What every import of a worker uses.

use rollcall_schema::crypto::row_digest::RowDigestKey;
use rollcall_schema::passwords::keys::PasswordKeys;
use rollcall_schema::postgres::client::SessionPool;
use rollcall_schema::postgres::pool::Database;
use rollcall_schema::uploads::UploadStore;

/// What every import of a worker uses.
#[derive(Clone)]
pub struct Engine {
    pub database: Database,
    /// The connections on which chunks are merged.
    pub sessions: SessionPool,
    pub uploads: UploadStore,
    /// The keys that seal and fingerprint passwords.
    pub password_keys: PasswordKeys,
    /// The key of the row digests.
    pub row_key: RowDigestKey,
    /// Bytes of memory that the census of an import may take.
    pub census_memory: u64,
    /// Rows in a chunk, at most.
    pub chunk_rows: usize,
    /// Chunks of one import that are merged at the same time, each on a connection of its own.
    pub parallel_chunks: usize,
}
