//! What it means that the database failed: a fault of a server, which passes, or a value that it refuses.

use tokio_postgres::error::{DbError, SqlState};

use super::error::DatabaseError;

/// The unique constraints that `users` has of itself. Any other one is a rule that an operator has added.
pub const KEYS_OF_USERS: [&str; 3] =
    ["users_pkey", "users_tenant_id_username_key_key", "users_tenant_id_library_barcode_key"];

/// What is wrong when an operation of the database fails. Display is the reason that an import waits for, as its sender and
/// the operator read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It cannot be reached, shuts down, starts, or recovers from a crash; or the connection was lost.
    #[error("the database is away")]
    Away,
    /// Another session holds a lock, and went on holding it.
    #[error("a lock in the database")]
    Lock,
    /// Other transactions write the same rows.
    #[error("other transactions change the same users")]
    Conflict,
    #[error("the database's disk is full")]
    DiskFull,
    #[error("the database's disk fails")]
    Disk,
    #[error("the database accepts no more connections")]
    Connections,
    #[error("the database is out of memory")]
    Memory,
    #[error("the database is read-only")]
    ReadOnly,
    /// A statement or an idle transaction was ended by a limit of the server.
    #[error("the database is too slow")]
    Slow,
    /// The role, its password, the database or a privilege.
    #[error("the database refuses the service's login or statements")]
    Refused,
    /// Of the server, of an extension, or of the service's own statements.
    #[error("an error in the database")]
    Internal,
    /// A value cannot be stored, or must not be. The same rows are refused each time.
    #[error("the database refuses a value")]
    Value,
    /// A rule that an operator has added, or a limit on what can be stored. Rows may be the reason.
    #[error("a rule of the database refuses the rows")]
    Rule,
}

impl Fault {
    /// What an error means that the server reported.
    pub fn of_answer(error: &DbError) -> Self {
        let of_an_operator = error.table() == Some("users")
            && error.constraint().is_some_and(|constraint| !KEYS_OF_USERS.contains(&constraint));
        match Self::of_state(error.code()) {
            // Two sessions that add the same user violate a key of ours. A key of an operator's is violated by the rows.
            Self::Conflict if *error.code() == SqlState::UNIQUE_VIOLATION && of_an_operator => Self::Rule,
            fault => fault,
        }
    }

    /// What an SQLSTATE means.
    pub fn of_state(state: &SqlState) -> Self {
        match state.code() {
            "57014" | "57P05" | "25P03" => Self::Slow,
            "55P03" => Self::Lock,
            "40001" | "40P01" | "23505" => Self::Conflict,
            "53100" => Self::DiskFull,
            "53200" => Self::Memory,
            "53300" => Self::Connections,
            "25006" => Self::ReadOnly,
            "23502" | "23514" | "44000" => Self::Value,
            "23503" | "23P01" | "P0001" => Self::Rule,
            code => match code.get(..2) {
                Some("08" | "53" | "57") => Self::Away,
                Some("58") => Self::Disk,
                Some("28" | "3D" | "42") => Self::Refused,
                Some("22") => Self::Value,
                Some("54") => Self::Rule,
                _ => Self::Internal,
            },
        }
    }
}

impl DatabaseError {
    /// What is wrong.
    pub fn fault(&self) -> Fault {
        use diesel::result::{DatabaseErrorKind, Error};
        let of = |error: &tokio_postgres::Error| error.as_db_error().map_or(Fault::Away, Fault::of_answer);
        match self {
            Self::Statement(error) => of(error),
            // What the server answered while a session was opened: too many connections, say.
            Self::NoSession(deadpool_postgres::PoolError::Backend(error)) => of(error),
            Self::Query(error) => match &**error {
                Error::DatabaseError(kind, _) => match kind {
                    DatabaseErrorKind::UnableToSendCommand | DatabaseErrorKind::ClosedConnection => {
                        Fault::Away
                    }
                    DatabaseErrorKind::SerializationFailure | DatabaseErrorKind::UniqueViolation => {
                        Fault::Conflict
                    }
                    DatabaseErrorKind::ReadOnlyTransaction => Fault::ReadOnly,
                    DatabaseErrorKind::NotNullViolation | DatabaseErrorKind::CheckViolation => Fault::Value,
                    _ => Fault::Internal,
                },
                _ => Fault::Internal,
            },
            Self::Unreachable(_)
            | Self::NoSession(_)
            | Self::Refused(_)
            | Self::Migration(_)
            | Self::NamesCollide(_) => Fault::Away,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_values_and_rules_can_be_the_files_fault() {
        let of = |code: &str| Fault::of_state(&SqlState::from_code(code));
        for code in ["08006", "57P01", "57P02", "57P03", "53400"] {
            assert_eq!(of(code), Fault::Away, "{code}");
        }
        assert_eq!(of("55P03"), Fault::Lock);
        assert_eq!(of("57014"), Fault::Slow);
        assert_eq!(of("25P03"), Fault::Slow);
        assert_eq!(of("53100"), Fault::DiskFull);
        assert_eq!(of("53300"), Fault::Connections);
        assert_eq!(of("53200"), Fault::Memory);
        assert_eq!(of("25006"), Fault::ReadOnly);
        assert_eq!(of("40P01"), Fault::Conflict);
        assert_eq!(of("42501"), Fault::Refused);
        assert_eq!(of("XX000"), Fault::Internal);
        for code in ["22021", "22003", "23502", "23514"] {
            assert_eq!(of(code), Fault::Value, "{code}");
        }
        for code in ["P0001", "54000"] {
            assert_eq!(of(code), Fault::Rule, "{code}");
        }
    }
}
