//! How an attempt at an import ends.

use std::io;

use rollcall_schema::imports::lease::LeaseError;
use rollcall_schema::postgres::error::DatabaseError;
use rollcall_schema::postgres::fault::Fault;
use rollcall_schema::uploads::UploadError;
use tokio::task::JoinError;

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
    /// The upload store is there, and what was uploaded is not.
    #[error("the upload is missing from the upload store")]
    UploadLost,
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

/// What a failed attempt says about its import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The file cannot be imported: every attempt would fail in the same way.
    Final,
    /// The file may be the reason: the attempt counts.
    Charged,
    /// A server, a disk or a network is, which passes: the attempt does not count. The text says what the import waits for.
    Waiting(String),
}

/// What an import waits for while its upload cannot be read.
const STORE_AWAY: &str = "the upload store is away";
/// What it waits for while no worker that tries it has the key of its upload.
const KEY_MISSING: &str = "the service's key is missing";

impl AttemptError {
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::Damaged(_) => Verdict::Final,
            Self::Panicked(_) | Self::UploadLost => Verdict::Charged,
            Self::Upload(_) | Self::Read(_) => Verdict::Waiting(STORE_AWAY.to_owned()),
            Self::KeyUnavailable(_) => Verdict::Waiting(KEY_MISSING.to_owned()),
            Self::Conflict => Verdict::Waiting(Fault::Conflict.to_string()),
            Self::LeaseLost => Verdict::Waiting(Fault::Away.to_string()),
            Self::Database(error) => match error.fault() {
                Fault::Value => Verdict::Final,
                Fault::Rule => Verdict::Charged,
                fault => Verdict::Waiting(fault.to_string()),
            },
        }
    }
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
            UploadError::Missing => Self::UploadLost,
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
