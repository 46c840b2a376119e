//! The settings that processes share: command-line arguments that are also environment variables, so that `--help`
//! documents both. An empty variable counts as unset ([`environment`]). A secret `NAME` may be read from the file that `NAME_FILE` names.

pub mod environment;
pub mod error;
pub mod renamed;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use url::Url;

use self::error::SettingError;
use crate::crypto::key::ServiceKey;
use crate::postgres::address::DatabaseAddress;
use crate::postgres::service_role::ServiceRole;
use crate::rabbitmq::connection::BrokerAddress;
use crate::rabbitmq::topology::Topology;

/// A secret, given as a value or as the file that contains it.
fn secret(
    setting: &'static str,
    value: Option<&String>,
    file: Option<&PathBuf>,
    example: &str,
) -> Result<String, SettingError> {
    match (value, file) {
        (Some(_), Some(_)) => {
            Err(SettingError::new(setting, format!("and {setting}_FILE are both set: set one of them")))
        }
        (Some(value), None) => Ok(value.clone()),
        (None, Some(file)) => {
            std::fs::read_to_string(file).map(|text| text.trim().to_owned()).map_err(|error| {
                SettingError::new(setting, format!("cannot be read from {}: {error}", file.display()))
            })
        }
        (None, None) => Err(SettingError::new(setting, format!("is not set: {example}"))),
    }
}

/// The address of Postgres.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Postgres")]
pub struct DatabaseSettings {
    /// URL of the Postgres database (15 or later): `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, with
    /// `?sslmode=disable|prefer|require|verify-full` and `&sslrootcert=FILE` as in libpq.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub database_url: Option<String>,

    /// File that contains the database URL, instead of `DATABASE_URL`.
    #[arg(long, env = "DATABASE_URL_FILE", value_name = "FILE")]
    pub database_url_file: Option<PathBuf>,
}

impl DatabaseSettings {
    pub fn address(&self) -> Result<DatabaseAddress, SettingError> {
        let url = secret(
            "DATABASE_URL",
            self.database_url.as_ref(),
            self.database_url_file.as_ref(),
            "set it to postgres://USER:PASSWORD@HOST:PORT/DATABASE, or set DATABASE_URL_FILE to a file that contains it",
        )?;
        DatabaseAddress::parse(&url)
    }
}

const OWNER_DATABASE_URL: &str = "ROLLCALL_OWNER_DATABASE_URL";

/// The address of Postgres as the owner of the tables, for the operator's command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Postgres")]
pub struct OwnerSettings {
    #[command(flatten)]
    pub service: DatabaseSettings,

    /// URL of the same database as the owner of the tables, for the operator's command. Without it `DATABASE_URL` is
    /// used, and the service is the owner.
    #[arg(long, env = "ROLLCALL_OWNER_DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub owner_database_url: Option<String>,

    /// File that contains the owner's database URL, instead of `ROLLCALL_OWNER_DATABASE_URL`.
    #[arg(long, env = "ROLLCALL_OWNER_DATABASE_URL_FILE", value_name = "FILE")]
    pub owner_database_url_file: Option<PathBuf>,
}

impl OwnerSettings {
    pub fn address(&self) -> Result<DatabaseAddress, SettingError> {
        if !self.names_owner() {
            return self.service.address();
        }
        let (value, file) = (self.owner_database_url.as_ref(), self.owner_database_url_file.as_ref());
        let url = secret(OWNER_DATABASE_URL, value, file, "")?;
        DatabaseAddress::parse_setting(OWNER_DATABASE_URL, &url)
    }

    /// The service's role, if `DATABASE_URL` names another than the owner's.
    pub fn service_role(&self) -> Result<Option<ServiceRole>, SettingError> {
        let is_named = self.service.database_url.is_some() || self.service.database_url_file.is_some();
        if !self.names_owner() || !is_named {
            return Ok(None);
        }
        let (service, owner) = (self.service.address()?.role(), self.address()?.role());
        Ok(service.filter(|service| owner.is_none_or(|owner| owner.name != service.name)))
    }

    fn names_owner(&self) -> bool {
        self.owner_database_url.is_some() || self.owner_database_url_file.is_some()
    }
}

/// The address of RabbitMQ.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "RabbitMQ")]
pub struct BrokerSettings {
    /// URL of RabbitMQ (3.10 or later): `amqp://USER:PASSWORD@HOST:PORT/VHOST`, `amqps://` for TLS.
    #[arg(long, env = "AMQP_URL", hide_env_values = true, value_name = "URL")]
    pub amqp_url: Option<String>,

    /// File that contains the RabbitMQ URL, instead of `AMQP_URL`.
    #[arg(long, env = "AMQP_URL_FILE", value_name = "FILE")]
    pub amqp_url_file: Option<PathBuf>,

    /// Prefix of the names of exchanges and queues. Installations that share a broker need one each.
    #[arg(long, env = "ROLLCALL_QUEUE_PREFIX", default_value = Topology::DEFAULT_PREFIX, value_name = "NAME")]
    pub queue_prefix: String,
}

impl BrokerSettings {
    pub fn address(&self) -> Result<BrokerAddress, SettingError> {
        let url = secret(
            "AMQP_URL",
            self.amqp_url.as_ref(),
            self.amqp_url_file.as_ref(),
            "set it to amqp://USER:PASSWORD@HOST:PORT/%2f, or set AMQP_URL_FILE to a file that contains it",
        )?;
        BrokerAddress::parse(&url, Topology::new(&self.queue_prefix))
    }
}

/// The service's key.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Secrets")]
pub struct KeySettings {
    /// The service's key: 64 hexadecimal digits, the same for every process. It wraps the keys that seal uploads and
    /// waiting passwords: without it both are lost, and no process starts with another one. Create one with `openssl rand
    /// -hex 32`, and replace it with `rollcall keys rotate`.
    #[arg(long, env = "ROLLCALL_KEY", hide_env_values = true, value_name = "HEX")]
    pub key: Option<String>,

    /// File that contains the key, instead of `ROLLCALL_KEY`.
    #[arg(long, env = "ROLLCALL_KEY_FILE", value_name = "FILE")]
    pub key_file: Option<PathBuf>,
}

impl KeySettings {
    /// Whether a key is given at all.
    pub fn is_set(&self) -> bool {
        self.key.is_some() || self.key_file.is_some()
    }

    pub fn key(&self) -> Result<ServiceKey, SettingError> {
        let example = "create a key with `openssl rand -hex 32` and set ROLLCALL_KEY to it, or ROLLCALL_KEY_FILE to its file";
        let text = secret("ROLLCALL_KEY", self.key.as_ref(), self.key_file.as_ref(), example)?;
        ServiceKey::from_hex(&text).ok_or_else(|| {
            SettingError::new("ROLLCALL_KEY", format!("is not 64 hexadecimal digits: {example}"))
        })
    }
}

/// Where uploads are stored.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Uploads")]
pub struct UploadSettings {
    /// Folder of the sealed uploads, shared by the API and every worker: a path or a file:// URL. The first process of a
    /// new installation creates it; from then on it must be the same one.
    #[arg(long, env = "ROLLCALL_UPLOADS", value_name = "FOLDER")]
    pub uploads: Option<String>,
}

impl UploadSettings {
    /// The folder.
    pub fn folder(&self) -> Result<PathBuf, SettingError> {
        let setting = "ROLLCALL_UPLOADS";
        let location = self.uploads.as_ref().ok_or_else(|| {
            SettingError::new(
                setting,
                "is not set: set it to a folder that the API and every worker can write to",
            )
        })?;
        match Url::parse(location) {
            Ok(url) if url.scheme() == "file" => url
                .to_file_path()
                .map_err(|()| SettingError::new(setting, "is not a local file:// URL: write file:///FOLDER")),
            Ok(url) if location.contains("://") => Err(SettingError::new(
                setting,
                format!(
                    "names a store of kind {}, which this build does not support: name a folder",
                    url.scheme()
                ),
            )),
            _ => Ok(PathBuf::from(location)),
        }
    }
}

/// Parses a setting in seconds, such as `0.5`. Zero is allowed.
pub fn seconds(text: &str) -> Result<Duration, String> {
    duration(text, Duration::ZERO).ok_or_else(|| "give a number of seconds from 0 to 86400".to_owned())
}

/// Parses a setting in seconds that must not be zero.
pub fn positive_seconds(text: &str) -> Result<Duration, String> {
    duration(text, Duration::from_millis(10))
        .ok_or_else(|| "give a number of seconds from 0.01 to 86400".to_owned())
}

fn duration(text: &str, least: Duration) -> Option<Duration> {
    let seconds = text.parse().ok().filter(|seconds| (0.0..=86_400.0).contains(seconds))?;
    Some(Duration::from_secs_f64(seconds)).filter(|duration| *duration >= least)
}
