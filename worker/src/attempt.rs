//! How an attempt at an import ends.

use std::io;

use rollcall_schema::imports::lease::LeaseError;
use rollcall_schema::postgres::error::DatabaseError;
use rollcall_schema::uploads::UploadError;
use tokio::task::JoinError;
use tokio_postgres::error::SqlState;

use crate::merge::error::ChunkError;

/// How an attempt ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// The import has its result.
    Finished,
    /// The worker is shutting down: the import is to be released.
    Interrupted,
}

/// Why an attempt failed. A fault of the file is not an error: it ends the import with a result. Display is shown to the
/// client, the source only in the log.
#[derive(Debug, thiserror::Error)]
pub enum AttemptError {
    /// Another worker has claimed the import, or the import has ended.
    #[error("the lease is lost")]
    LeaseLost,
    #[error("the database failed")]
    Database(#[from] DatabaseError),
    #[error("the upload could not be opened")]
    Upload(#[source] UploadError),
    /// The upload is sealed with a data key that this worker does not have: the service's key is being rotated, or this
    /// worker has an old one.
    #[error("the key of the upload is not available")]
    KeyUnavailable(#[source] UploadError),
    #[error("the upload could not be read")]
    Read(#[source] io::Error),
    /// What was stored is not what was uploaded.
    #[error("the stored upload is damaged")]
    Damaged(#[source] io::Error),
    #[error("the worker panicked while processing it")]
    Panicked(#[from] JoinError),
    /// Every time a chunk was merged, another transaction changed the same users.
    #[error("its users kept being changed by other transactions")]
    Conflict,
}

impl AttemptError {
    /// Whether the file may have caused the failure. If not, it is never counted against the import.
    pub fn is_charged(&self) -> bool {
        !matches!(self, Self::KeyUnavailable(_))
    }

    /// Whether another attempt may get further.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Damaged(_) => false,
            Self::Database(DatabaseError::Statement(error)) => !error.code().is_some_and(rejects_data),
            _ => true,
        }
    }
}

/// Whether the server would reject the same rows with this code every time: a value cannot be stored, or must not be.
fn rejects_data(code: &SqlState) -> bool {
    code.code().starts_with("22") || [SqlState::NOT_NULL_VIOLATION, SqlState::CHECK_VIOLATION].contains(code)
}

impl From<io::Error> for AttemptError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // See `UploadOpener`.
            io::ErrorKind::InvalidData => Self::Damaged(error),
            _ => Self::Read(error),
        }
    }
}

impl From<UploadError> for AttemptError {
    fn from(error: UploadError) -> Self {
        match error {
            UploadError::Damaged(error) => Self::Damaged(error),
            UploadError::KeyUnavailable(_) => Self::KeyUnavailable(error),
            _ => Self::Upload(error),
        }
    }
}

impl From<diesel::result::Error> for AttemptError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Database(error.into())
    }
}

impl From<LeaseError> for AttemptError {
    fn from(error: LeaseError) -> Self {
        match error {
            LeaseError::Lost => Self::LeaseLost,
            LeaseError::Database(error) => Self::Database(error),
        }
    }
}

impl From<ChunkError> for AttemptError {
    fn from(error: ChunkError) -> Self {
        match error {
            ChunkError::LeaseLost => Self::LeaseLost,
            ChunkError::Conflict | ChunkError::PredecessorPending => Self::Conflict,
            ChunkError::Failed(error) => Self::Database(error),
            ChunkError::Panicked(error) => Self::Panicked(error),
        }
    }
}
