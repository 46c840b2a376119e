//! The settings that all processes share, as command-line arguments that are also environment variables, so
//! that `--help` is their documentation. A secret may be given as a file by the variable with `_FILE` behind.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use url::Url;

use crate::broker::BrokerAddress;
use crate::database::DatabaseAddress;
use crate::seal::ServiceKey;
use crate::upload::UploadStore;
use crate::wake_up::Topology;

/// A setting that is missing or wrong. Its Display is a sentence that names the mend.
#[derive(Debug, thiserror::Error)]
#[error("{setting} {problem}")]
pub struct ConfigError {
    setting: &'static str,
    problem: String,
}

impl ConfigError {
    /// The setting's name and what is wrong with it, continuing the sentence that the name begins.
    pub fn new(setting: &'static str, problem: impl Into<String>) -> Self {
        Self { setting, problem: problem.into() }
    }
}

/// A secret given by value or by the file that holds it.
fn secret(
    setting: &'static str,
    value: Option<&String>,
    file: Option<&PathBuf>,
    example: &str,
) -> Result<String, ConfigError> {
    match (value, file) {
        (Some(_), Some(_)) => {
            Err(ConfigError::new(setting, format!("and {setting}_FILE are both set: set one of them")))
        }
        (Some(value), None) => Ok(value.clone()),
        (None, Some(file)) => {
            std::fs::read_to_string(file).map(|text| text.trim().to_owned()).map_err(|error| {
                ConfigError::new(setting, format!("cannot be read from {}: {error}", file.display()))
            })
        }
        (None, None) => Err(ConfigError::new(setting, format!("is not set: {example}"))),
    }
}

/// Where Postgres is.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Postgres")]
pub struct DatabaseSettings {
    /// URL of the Postgres database (15 or later): `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, with
    /// `?sslmode=disable|prefer|require|verify-full` and `&sslrootcert=FILE` as libpq knows them.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub database_url: Option<String>,

    /// File that holds the database URL, instead of `DATABASE_URL`.
    #[arg(long, env = "DATABASE_URL_FILE", value_name = "FILE")]
    pub database_url_file: Option<PathBuf>,
}

impl DatabaseSettings {
    /// The address, checked.
    pub fn address(&self) -> Result<DatabaseAddress, ConfigError> {
        let url = secret(
            "DATABASE_URL",
            self.database_url.as_ref(),
            self.database_url_file.as_ref(),
            "set it to postgres://USER:PASSWORD@HOST:PORT/DATABASE, or DATABASE_URL_FILE to a file that holds it",
        )?;
        DatabaseAddress::parse(&url)
    }
}

/// Where RabbitMQ is.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "RabbitMQ")]
pub struct BrokerSettings {
    /// URL of RabbitMQ (3.10 or later): `amqp://USER:PASSWORD@HOST:PORT/VHOST`, `amqps://` for TLS.
    #[arg(long, env = "AMQP_URL", hide_env_values = true, value_name = "URL")]
    pub amqp_url: Option<String>,

    /// File that holds the RabbitMQ URL, instead of `AMQP_URL`.
    #[arg(long, env = "AMQP_URL_FILE", value_name = "FILE")]
    pub amqp_url_file: Option<PathBuf>,

    /// What the names of the exchanges and queues begin with. Installations that share a broker need one each.
    #[arg(long, env = "ROLLCALL_QUEUE_PREFIX", default_value = Topology::DEFAULT_PREFIX, value_name = "NAME")]
    pub queue_prefix: String,
}

impl BrokerSettings {
    /// The address, checked.
    pub fn address(&self) -> Result<BrokerAddress, ConfigError> {
        let url = secret(
            "AMQP_URL",
            self.amqp_url.as_ref(),
            self.amqp_url_file.as_ref(),
            "set it to amqp://USER:PASSWORD@HOST:PORT/%2f, or AMQP_URL_FILE to a file that holds it",
        )?;
        BrokerAddress::parse(&url, Topology::new(&self.queue_prefix))
    }
}

/// The service's key.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Secrets")]
pub struct KeySettings {
    /// The service's key: 64 hexadecimal digits, the same for every process. It seals uploads and waiting
    /// passwords; whoever loses it loses both. Make one with `openssl rand -hex 32`.
    #[arg(long, env = "ROLLCALL_KEY", hide_env_values = true, value_name = "HEX")]
    pub key: Option<String>,

    /// File that holds the key, instead of `ROLLCALL_KEY`.
    #[arg(long, env = "ROLLCALL_KEY_FILE", value_name = "FILE")]
    pub key_file: Option<PathBuf>,
}

impl KeySettings {
    /// The key, checked.
    pub fn key(&self) -> Result<ServiceKey, ConfigError> {
        let example = "make a key with `openssl rand -hex 32` and give it as ROLLCALL_KEY, or its file as ROLLCALL_KEY_FILE";
        let text = secret("ROLLCALL_KEY", self.key.as_ref(), self.key_file.as_ref(), example)?;
        ServiceKey::from_hex(&text).ok_or_else(|| {
            ConfigError::new("ROLLCALL_KEY", format!("is not 64 hexadecimal digits: {example}"))
        })
    }
}

/// Where uploads are kept.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Uploads")]
pub struct UploadSettings {
    /// Folder that keeps the sealed uploads, shared by the API and every worker; a path or a file:// URL.
    #[arg(long, env = "ROLLCALL_UPLOADS", value_name = "FOLDER")]
    pub uploads: Option<String>,
}

impl UploadSettings {
    /// The store, its folder made and found usable.
    pub fn store(&self, key: ServiceKey) -> Result<UploadStore, ConfigError> {
        let setting = "ROLLCALL_UPLOADS";
        let place = self.uploads.as_ref().ok_or_else(|| {
            ConfigError::new(setting, "is not set: name a folder that the API and every worker can write to")
        })?;
        let folder = match Url::parse(place) {
            Ok(url) if url.scheme() == "file" => url.to_file_path().map_err(|()| {
                ConfigError::new(setting, "is not a local file:// URL: write file:///FOLDER")
            })?,
            Ok(url) if place.contains("://") => {
                return Err(ConfigError::new(
                    setting,
                    format!(
                        "names a store of kind {}, which this build does not have: name a folder",
                        url.scheme()
                    ),
                ));
            }
            _ => PathBuf::from(place),
        };
        UploadStore::in_folder(&folder, key).map_err(|error| {
            let why =
                std::error::Error::source(&error).map_or_else(String::new, |source| format!(": {source}"));
            ConfigError::new(setting, format!("cannot be used: {error}{why}"))
        })
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
