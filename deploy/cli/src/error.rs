//! Errors. Each message says what is wrong and how to fix it.

use std::io;

use rollcall_schema::ids::ImportId;
use rollcall_schema::installation::error::InstallationError;
use rollcall_schema::key_ring::rotation::RotationError;
use rollcall_schema::key_ring::store::KeyError;
use rollcall_schema::postgres::error::DatabaseError;
use rollcall_schema::postgres::migrate::grant::GrantError;
use rollcall_schema::postgres::migrate::name_collisions::NameCollisions;
use rollcall_schema::settings::error::SettingError;
use rollcall_schema::tenants::tenant::TenantError;

#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error(transparent)]
    Setting(#[from] SettingError),

    #[error("the database cannot be reached ({0}): check that it runs and that DATABASE_URL is correct")]
    Unreachable(String),
    #[error("the database's tables are missing or older than this command: run `rollcall migrate`")]
    NotMigrated,
    #[error(
        "this command is connected as the service's role, which sees no tenant's rows: set ROLLCALL_OWNER_DATABASE_URL to \
         the URL of the same database as the owner of the tables"
    )]
    NotOwner,
    #[error(
        "the tables could not be checked or migrated ({0}): check that the user in ROLLCALL_OWNER_DATABASE_URL, or else in \
         DATABASE_URL, owns them"
    )]
    Migration(String),
    #[error(transparent)]
    Grant(#[from] GrantError),
    #[error(transparent)]
    NamesCollide(NameCollisions),
    #[error(
        "the database rejected a statement ({0}): nothing was changed; the database's log may contain details"
    )]
    Statement(String),

    #[error(transparent)]
    Rotation(RotationError),
    #[error(transparent)]
    Key(KeyError),

    #[error("there are no tenants yet: add one with `rollcall tenant add NAME`")]
    NoTenant,
    #[error("there is no tenant named {name}: choose one of {}", .known.join(", "))]
    UnknownTenant { name: String, known: Vec<String> },
    #[error(
        "a tenant named {0} already exists: change it with `rollcall tenant set {0}`, or pass --if-missing to leave it \
         unchanged"
    )]
    TenantExists(String),
    #[error(
        "the host name {0} belongs to another tenant: find that tenant with `rollcall tenant list` and \
         remove the host name from it with --remove-host first"
    )]
    HostTaken(String),
    #[error("the tenant {tenant} does not have the host name {host}: its host names are {}", listed(.known))]
    UnknownHost { tenant: String, host: String, known: Vec<String> },
    #[error("{0}: choose another name")]
    BadTenantName(String),

    #[error(
        "the password cannot be read ({0}): type it at a terminal, or pass it as the first line of standard input"
    )]
    PasswordUnreadable(io::Error),
    #[error("the password is not UTF-8: save it as UTF-8 text, or type it at a terminal")]
    PasswordNotUtf8,
    #[error(
        "the password is empty: nothing was changed; type one at the prompt, or pass it as the first line of standard \
         input"
    )]
    PasswordEmpty,
    #[error("the password is longer than {0} bytes: choose a shorter one")]
    PasswordTooLong(usize),
    #[error("the two passwords do not match: nothing was changed; run the command again")]
    PasswordsDiffer,

    #[error("the system group {name} already exists and {}: choose another name",
            if *.grants { "grants administration" } else { "does not grant administration" })]
    GroupConflict { name: String, grants: bool },

    #[error(
        "the tenant {tenant} already has a token named {name}: choose another name, or remove that one with \
         `rollcall token remove {tenant} {name}`"
    )]
    TokenExists { tenant: String, name: String },
    #[error(
        "the tenant {tenant} has no token named {name}: list its tokens with `rollcall token list {tenant}`"
    )]
    UnknownToken { tenant: String, name: String },

    #[error("there is no import {0}: list a tenant's imports with `rollcall jobs list TENANT`")]
    UnknownImport(ImportId),
    #[error("the tenant {tenant} has no import {id}: list its imports with `rollcall jobs list {tenant}`")]
    UnknownImportOfTenant { tenant: String, id: ImportId },

    #[error("the import {0} has already finished: see its outcome with `rollcall jobs show {0}`")]
    ImportFinished(ImportId),
    #[error("the import {id} is {status}: only one that was abandoned or cancelled can run again")]
    NotRetryable { id: ImportId, status: &'static str },
    #[error(
        "the upload of the import {0} has been deleted: have the file sent again \
         (ROLLCALL_UPLOAD_RETENTION_DAYS sets how long uploads are kept)"
    )]
    UploadDeleted(ImportId),

    #[error("the output cannot be written ({0}): check where standard output is redirected to")]
    Output(io::Error),
}

impl From<io::Error> for CommandError {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<DatabaseError> for CommandError {
    fn from(error: DatabaseError) -> Self {
        if let Some(wrong) = error.misconfiguration("ROLLCALL_OWNER_DATABASE_URL, or else DATABASE_URL,") {
            return wrong.into();
        }
        match error {
            DatabaseError::Unreachable(_) | DatabaseError::NoSession(_) | DatabaseError::Refused(_) => {
                Self::Unreachable(root_cause(&error))
            }
            DatabaseError::Query(error) => Self::Statement(error.to_string()),
            DatabaseError::Statement(error) => Self::Statement(error.to_string()),
            DatabaseError::Migration(why) => Self::Migration(why),
            DatabaseError::NamesCollide(collisions) => Self::NamesCollide(collisions),
        }
    }
}

impl From<RotationError> for CommandError {
    fn from(error: RotationError) -> Self {
        match error {
            RotationError::Key(error) => error.into(),
            error => Self::Rotation(error),
        }
    }
}

impl From<KeyError> for CommandError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Database(error) => error.into(),
            error => Self::Key(error),
        }
    }
}

impl From<InstallationError> for CommandError {
    fn from(error: InstallationError) -> Self {
        match error {
            InstallationError::Setting(error) => error.into(),
            InstallationError::Key(error) => error.into(),
            InstallationError::Database(error) => error.into(),
        }
    }
}

impl From<diesel::result::Error> for CommandError {
    fn from(error: diesel::result::Error) -> Self {
        DatabaseError::from(error).into()
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

/// The innermost source of an error: the outer errors only say that an operation failed.
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
