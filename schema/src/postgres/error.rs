//! Why the database failed.

use deadpool_postgres::PoolError as SessionPoolError;
use diesel::ConnectionError;
use diesel_async::pooled_connection::deadpool::PoolError;

use tokio_postgres::error::SqlState;

use super::migrate::name_collisions::NameCollisions;
use crate::settings::error::SettingError;

/// Why the database could not be reached, or what it answered.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The pool of diesel connections had none within the timeout.
    #[error("the database is unreachable")]
    Unreachable(#[from] PoolError),
    /// The pool of sessions had none within the timeout.
    #[error("the database is unreachable")]
    NoSession(#[from] SessionPoolError),
    /// A connection outside the pools was refused.
    #[error("the database refused a connection")]
    Refused(#[from] ConnectionError),
    /// A query built with diesel failed.
    #[error("a statement failed in the database")]
    Query(#[from] diesel::result::Error),
    /// A hand-written statement failed.
    #[error("a statement failed in the database")]
    Statement(#[from] tokio_postgres::Error),
    /// The tables could not be brought up to date.
    #[error("the tables could not be migrated: {0}")]
    Migration(String),
    /// The tables could not be brought up to date until an operator renames or deletes something.
    #[error(transparent)]
    NamesCollide(NameCollisions),
}

impl DatabaseError {
    /// What is wrong with `DATABASE_URL`, if that is why the server refused a session: no waiting helps. A server that is
    /// away, starting or full is not wrong.
    pub fn misconfiguration(&self) -> Option<SettingError> {
        let error = match self {
            Self::NoSession(SessionPoolError::Backend(error)) | Self::Statement(error) => {
                error.as_db_error()?
            }
            _ => return None,
        };
        let wrong = match *error.code() {
            SqlState::INVALID_PASSWORD => "has a user or password that the database refuses",
            SqlState::INVALID_AUTHORIZATION_SPECIFICATION => "names a user whom the database does not admit",
            SqlState::INVALID_CATALOG_NAME => "names a database that does not exist",
            SqlState::INSUFFICIENT_PRIVILEGE => "names a user who lacks a right",
            _ => return None,
        };
        Some(SettingError::new("DATABASE_URL", format!("{wrong} ({}): correct it", error.message())))
    }

    /// Whether the server itself reported the error. Then the statement is over and changed nothing; if the connection
    /// was lost, that is unknown.
    pub fn is_answer(&self) -> bool {
        use diesel::result::{DatabaseErrorKind, Error};
        match self {
            Self::Query(Error::DatabaseError(kind, _)) => {
                !matches!(kind, DatabaseErrorKind::UnableToSendCommand | DatabaseErrorKind::ClosedConnection)
            }
            Self::Query(Error::NotFound) => true,
            Self::Statement(error) => error.as_db_error().is_some(),
            Self::Unreachable(_)
            | Self::NoSession(_)
            | Self::Refused(_)
            | Self::Query(_)
            | Self::Migration(_)
            | Self::NamesCollide(_) => false,
        }
    }
}
