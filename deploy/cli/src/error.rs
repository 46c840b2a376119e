//! Every sentence that the command says when it cannot do what it was asked, each with its mend.

use std::io;

use rollcall_schema::config::ConfigError;
use rollcall_schema::database::DatabaseError;
use rollcall_schema::ids::ImportId;
use rollcall_schema::tenant::TenantError;

/// Why a command did nothing.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error(transparent)]
    Setting(#[from] ConfigError),

    #[error("the database cannot be reached ({0}): check that it runs and that DATABASE_URL names it")]
    Unreachable(String),
    #[error("the database's tables are missing or older than this command: run `rollcall migrate`")]
    NotMigrated,
    #[error(
        "the tables could not be checked or brought up to date ({0}): check that the user in DATABASE_URL owns them"
    )]
    Migration(String),
    #[error("the database refused a statement ({0}): nothing was changed; its log may tell more")]
    Statement(String),

    #[error("there is no tenant yet: add one with `rollcall tenant add NAME`")]
    NoTenant,
    #[error("there is no tenant named {name}: choose one of {}", .known.join(", "))]
    UnknownTenant { name: String, known: Vec<String> },
    #[error(
        "there is a tenant named {0} already: change it with `rollcall tenant set {0}`, or pass --if-missing"
    )]
    TenantExists(String),
    #[error(
        "the host name {0} belongs to another tenant: `rollcall tenant list` shows which; take it from there with --remove-host first"
    )]
    HostTaken(String),
    #[error("the tenant {tenant} has no host name {host} to remove: it has {}", listed(.known))]
    UnknownHost { tenant: String, host: String, known: Vec<String> },
    #[error("{0}: choose another name")]
    BadTenantName(String),

    #[error(
        "the password cannot be read ({0}): type it at a terminal, or give it as the first line of the standard input"
    )]
    PasswordUnreadable(io::Error),
    #[error("the password is not UTF-8: save it as UTF-8 text, or type it at a terminal")]
    PasswordNotUtf8,
    #[error(
        "the password is empty: nothing was changed; give one at the prompt or as the first line of the standard input"
    )]
    PasswordEmpty,
    #[error("the password is longer than {0} bytes: choose a shorter one")]
    PasswordTooLong(usize),
    #[error("the two passwords differ: nothing was changed; start again")]
    PasswordsDiffer,

    #[error("the system group {name} is there already and {}: choose another name",
            if *.grants { "grants administration" } else { "does not grant administration" })]
    GroupGrantsOtherwise { name: String, grants: bool },

    #[error("there is no job {0}: `rollcall jobs list TENANT` shows a tenant's")]
    UnknownImport(ImportId),
    #[error("the tenant {tenant} has no job {id}: `rollcall jobs list {tenant}` shows those it has")]
    UnknownImportOfTenant { tenant: String, id: ImportId },

    #[error("the job {0} has ended already: `rollcall jobs show {0}` says how")]
    ImportFinished(ImportId),
    #[error("the import {id} is {status}: only one that was abandoned or cancelled can run again")]
    NotRetryable { id: ImportId, status: &'static str },
    #[error(
        "the upload of job {0} is not kept any more: have the file sent again (ROLLCALL_UPLOAD_RETENTION_DAYS says how long uploads are kept)"
    )]
    UploadDeleted(ImportId),

    #[error("the answer cannot be written ({0}): check where the standard output goes")]
    Output(io::Error),
}

impl From<io::Error> for CommandError {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<DatabaseError> for CommandError {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::Unreachable(_) | DatabaseError::NoSession(_) | DatabaseError::Refused(_) => {
                Self::Unreachable(root_cause(&error))
            }
            DatabaseError::Query(error) => error.into(),
            DatabaseError::Statement(error) => Self::Statement(root_cause(&error)),
            DatabaseError::Migration(why) => Self::Migration(why),
        }
    }
}

impl From<diesel::result::Error> for CommandError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Statement(root_cause(&error))
    }
}

impl From<TenantError> for CommandError {
    fn from(error: TenantError) -> Self {
        match error {
            TenantError::NameTaken(name) => Self::TenantExists(name),
            TenantError::HostTaken(host) => Self::HostTaken(host),
            TenantError::BadName(_) => Self::BadTenantName(error.to_string()),
            TenantError::Unknown(name) => Self::UnknownTenant { name, known: Vec::new() },
            TenantError::Database(error) => error.into(),
        }
    }
}

/// What lies at the bottom of an error: the layers above it say only that there is something below them.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
