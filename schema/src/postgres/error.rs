//! Why the database failed.
//!
//! What the server says of a failed statement quotes rows: the DETAIL of a violated constraint, the CONTEXT of a COPY, the
//! MESSAGE of a trigger or of a value that does not fit its type. [`StatementError`] and [`QueryError`] therefore hold the
//! driver's error and show only what cannot hold a cell (invariant 12), and end the chain of sources, which logs print.

use std::fmt::{self, Debug, Display, Formatter};
use std::ops::Deref;

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
    Query(#[source] QueryError),
    /// A hand-written statement failed.
    #[error("a statement failed in the database")]
    Statement(#[source] StatementError),
    /// The tables could not be brought up to date.
    #[error("the tables could not be migrated: {0}")]
    Migration(String),
    /// The tables could not be brought up to date until an operator renames or deletes something.
    #[error(transparent)]
    NamesCollide(NameCollisions),
}

impl DatabaseError {
    /// What is wrong with the setting that gives the database's URL, if that is why the server refused a session: no
    /// waiting helps. A server that is away, starting or full is not wrong.
    pub fn misconfiguration(&self, setting: &'static str) -> Option<SettingError> {
        let error = match self {
            Self::NoSession(SessionPoolError::Backend(error)) => error.as_db_error()?,
            Self::Statement(error) => error.as_db_error()?,
            _ => return None,
        };
        let wrong = match *error.code() {
            SqlState::INVALID_PASSWORD => "has a user or password that the database refuses",
            SqlState::INVALID_AUTHORIZATION_SPECIFICATION => "names a user whom the database does not admit",
            SqlState::INVALID_CATALOG_NAME => "names a database that does not exist",
            SqlState::INSUFFICIENT_PRIVILEGE => "names a user who lacks a right",
            _ => return None,
        };
        Some(SettingError::new(setting, format!("{wrong} ({}): correct it", error.message())))
    }

    /// Whether the server itself reported the error. Then the statement is over and changed nothing; if the connection
    /// was lost, that is unknown.
    pub fn is_answer(&self) -> bool {
        use diesel::result::{DatabaseErrorKind, Error};
        match self {
            Self::Query(error) => match &**error {
                Error::DatabaseError(kind, _) => !matches!(
                    kind,
                    DatabaseErrorKind::UnableToSendCommand | DatabaseErrorKind::ClosedConnection
                ),
                Error::NotFound => true,
                _ => false,
            },
            Self::Statement(error) => error.as_db_error().is_some(),
            Self::Unreachable(_)
            | Self::NoSession(_)
            | Self::Refused(_)
            | Self::Migration(_)
            | Self::NamesCollide(_) => false,
        }
    }
}

impl From<diesel::result::Error> for DatabaseError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Query(error.into())
    }
}

impl From<tokio_postgres::Error> for DatabaseError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Statement(error.into())
    }
}

/// An error of a hand-written statement. Displays the SQLSTATE, the constraint and the table.
pub struct StatementError(tokio_postgres::Error);

impl From<tokio_postgres::Error> for StatementError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self(error)
    }
}

impl Deref for StatementError {
    type Target = tokio_postgres::Error;

    fn deref(&self) -> &tokio_postgres::Error {
        &self.0
    }
}

impl Display for StatementError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Some(answer) = self.0.as_db_error() else {
            // The driver's own error: the connection, or a value that it could not convert. It quotes no value.
            write!(f, "{}", self.0)?;
            let mut source = std::error::Error::source(&self.0);
            while let Some(inner) = source {
                write!(f, ": {inner}")?;
                source = inner.source();
            }
            return Ok(());
        };
        write!(f, "SQLSTATE {}", answer.code().code())?;
        if let Some(name) = condition(answer.code()) {
            write!(f, " ({name})")?;
        }
        write_place(f, answer.constraint(), answer.table())
    }
}

impl Debug for StatementError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "StatementError({self})")
    }
}

impl std::error::Error for StatementError {}

/// An error of a query built with diesel. Displays its kind, the constraint and the table; diesel keeps no SQLSTATE.
pub struct QueryError(diesel::result::Error);

impl From<diesel::result::Error> for QueryError {
    fn from(error: diesel::result::Error) -> Self {
        Self(error)
    }
}

impl Deref for QueryError {
    type Target = diesel::result::Error;

    fn deref(&self) -> &diesel::result::Error {
        &self.0
    }
}

impl Display for QueryError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        use diesel::result::{DatabaseErrorKind, Error};
        let Error::DatabaseError(kind, answer) = &self.0 else {
            return write!(f, "{}", self.0);
        };
        match kind {
            DatabaseErrorKind::UniqueViolation => f.write_str("unique_violation")?,
            DatabaseErrorKind::ForeignKeyViolation => f.write_str("foreign_key_violation")?,
            DatabaseErrorKind::NotNullViolation => f.write_str("not_null_violation")?,
            DatabaseErrorKind::CheckViolation => f.write_str("check_violation")?,
            DatabaseErrorKind::SerializationFailure => f.write_str("serialization_failure")?,
            DatabaseErrorKind::ReadOnlyTransaction => f.write_str("read_only_sql_transaction")?,
            DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand => {
                f.write_str("the connection was lost")?;
            }
            _ => match FIXED_MESSAGES.iter().find(|message| **message == answer.message()) {
                Some(message) => f.write_str(message)?,
                None => f.write_str("the server refused it")?,
            },
        }
        write_place(f, answer.constraint_name(), answer.table_name())
    }
}

impl Debug for QueryError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "QueryError({self})")
    }
}

impl std::error::Error for QueryError {}

fn write_place(f: &mut Formatter<'_>, constraint: Option<&str>, table: Option<&str>) -> fmt::Result {
    match (constraint, table) {
        (Some(constraint), Some(table)) => write!(f, ": constraint {constraint} of table {table}"),
        (Some(constraint), None) => write!(f, ": constraint {constraint}"),
        (None, Some(table)) => write!(f, ": table {table}"),
        (None, None) => Ok(()),
    }
}

/// The names of the conditions that an operator is likely to meet, as Postgres's manual calls them.
fn condition(code: &SqlState) -> Option<&'static str> {
    const NAMES: [(SqlState, &str); 29] = [
        (SqlState::STRING_DATA_RIGHT_TRUNCATION, "string_data_right_truncation"),
        (SqlState::NUMERIC_VALUE_OUT_OF_RANGE, "numeric_value_out_of_range"),
        (SqlState::CHARACTER_NOT_IN_REPERTOIRE, "character_not_in_repertoire"),
        (SqlState::UNTRANSLATABLE_CHARACTER, "untranslatable_character"),
        (SqlState::INVALID_TEXT_REPRESENTATION, "invalid_text_representation"),
        (SqlState::NOT_NULL_VIOLATION, "not_null_violation"),
        (SqlState::FOREIGN_KEY_VIOLATION, "foreign_key_violation"),
        (SqlState::UNIQUE_VIOLATION, "unique_violation"),
        (SqlState::CHECK_VIOLATION, "check_violation"),
        (SqlState::EXCLUSION_VIOLATION, "exclusion_violation"),
        (SqlState::READ_ONLY_SQL_TRANSACTION, "read_only_sql_transaction"),
        (SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT, "idle_in_transaction_session_timeout"),
        (SqlState::T_R_SERIALIZATION_FAILURE, "serialization_failure"),
        (SqlState::T_R_DEADLOCK_DETECTED, "deadlock_detected"),
        (SqlState::INSUFFICIENT_PRIVILEGE, "insufficient_privilege"),
        (SqlState::SYNTAX_ERROR, "syntax_error"),
        (SqlState::UNDEFINED_TABLE, "undefined_table"),
        (SqlState::UNDEFINED_COLUMN, "undefined_column"),
        (SqlState::UNDEFINED_FUNCTION, "undefined_function"),
        (SqlState::DISK_FULL, "disk_full"),
        (SqlState::OUT_OF_MEMORY, "out_of_memory"),
        (SqlState::TOO_MANY_CONNECTIONS, "too_many_connections"),
        (SqlState::PROGRAM_LIMIT_EXCEEDED, "program_limit_exceeded"),
        (SqlState::LOCK_NOT_AVAILABLE, "lock_not_available"),
        (SqlState::QUERY_CANCELED, "query_canceled"),
        (SqlState::ADMIN_SHUTDOWN, "admin_shutdown"),
        (SqlState::CRASH_SHUTDOWN, "crash_shutdown"),
        (SqlState::CANNOT_CONNECT_NOW, "cannot_connect_now"),
        (SqlState::RAISE_EXCEPTION, "raise_exception"),
    ];
    NAMES.iter().find_map(|(known, name)| (known == code).then_some(*name))
}

/// Messages of the server in which nothing varies, for errors of which diesel keeps nothing else.
const FIXED_MESSAGES: [&str; 8] = [
    "canceling statement due to lock timeout",
    "canceling statement due to statement timeout",
    "canceling statement due to user request",
    "terminating connection due to administrator command",
    "terminating connection due to idle-in-transaction timeout",
    "deadlock detected",
    "the database system is shutting down",
    "the database system is starting up",
];
