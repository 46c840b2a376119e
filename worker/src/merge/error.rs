//! Why a chunk was not merged.

use rollcall_schema::imports::lease::LeaseError;
use rollcall_schema::postgres::error::DatabaseError;
use rollcall_schema::postgres::fault::Fault;

use crate::users;

/// Why a chunk was not merged. Its transaction was rolled back and has changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum ChunkError {
    /// Another worker has claimed the import, or the import has ended.
    #[error("the lease is lost")]
    LeaseLost,
    /// The effect of the rows depends on an earlier chunk that has not committed. Merging may start again once it has.
    #[error("an earlier chunk has not committed")]
    PredecessorPending,
    /// Another transaction changed the same users. Merging may start again.
    #[error("its users were changed by another transaction every time it was merged")]
    Conflict,
    #[error("the database failed")]
    Failed(#[from] DatabaseError),
    #[error("merging a chunk panicked")]
    Panicked(#[source] tokio::task::JoinError),
}

impl From<tokio_postgres::Error> for ChunkError {
    fn from(error: tokio_postgres::Error) -> Self {
        let error = DatabaseError::from(error);
        match error.fault() {
            // Another transaction created a user with the same name after this one looked (two rows of the chunk cannot
            // do that to each other), or writes the same users in another order: the last chunks, say, of an import that
            // has just been cancelled.
            Fault::Conflict => Self::Conflict,
            _ => Self::Failed(error),
        }
    }
}

impl From<LeaseError> for ChunkError {
    fn from(error: LeaseError) -> Self {
        match error {
            LeaseError::Lost => Self::LeaseLost,
            LeaseError::Database(error) => Self::Failed(error),
        }
    }
}

impl From<users::merge::MergeError> for ChunkError {
    fn from(error: users::merge::MergeError) -> Self {
        match error {
            users::merge::MergeError::PredecessorPending => Self::PredecessorPending,
            users::merge::MergeError::Conflict => Self::Conflict,
            users::merge::MergeError::Database(error) => error.into(),
        }
    }
}
