//! What every import of a worker uses.

use rollcall_schema::database::Database;
use rollcall_schema::seal::{PasswordKeys, RowKey};
use rollcall_schema::session::Sessions;
use rollcall_schema::upload::UploadStore;

/// What every import of a worker uses.
#[derive(Clone)]
pub struct Engine {
    pub database: Database,
    /// The connections on which chunks are merged.
    pub sessions: Sessions,
    pub uploads: UploadStore,
    /// The keys that seal and fingerprint passwords.
    pub password_keys: PasswordKeys,
    /// The key of the row digests.
    pub row_key: RowKey,
    /// Rows in a chunk, at most.
    pub chunk_rows: usize,
    /// Chunks of one import that are merged at the same time, each on a connection of its own.
    pub parallel_chunks: usize,
}
