//! The API's settings: command-line arguments that are also environment variables, so that `--help` is their
//! documentation.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use axum::http::HeaderName;
use clap::{Parser, ValueEnum};
use rollcall_schema::config::{BrokerSettings, ConfigError, DatabaseSettings, KeySettings, UploadSettings};

/// Rollcall's API: takes rosters over HTTPS, puts them into line, and answers with the result.
///
/// Every setting is also an environment variable, named with it below. Traces go where the standard `OTEL_*`
/// variables say; `RUST_LOG` chooses what is logged and `ROLLCALL_LOG=json` its form.
#[derive(Debug, Clone, Parser)]
#[command(name = "rollcall-api", version)]
pub struct Settings {
    /// Where Postgres is.
    #[command(flatten)]
    pub database: DatabaseSettings,

    /// Where RabbitMQ is.
    #[command(flatten)]
    pub broker: BrokerSettings,

    /// The service's key.
    #[command(flatten)]
    pub key: KeySettings,

    /// Where uploads are kept.
    #[command(flatten)]
    pub uploads: UploadSettings,

    /// Who is listened to.
    #[command(flatten)]
    pub server: ServerSettings,

    /// How much of everything.
    #[command(flatten)]
    pub limits: LimitSettings,

    /// How logins are checked.
    #[command(flatten)]
    pub login: LoginSettings,
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TlsMode {
    /// On.
    On,
    /// Off.
    Off,
}

/// Who is listened to, and how.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Server")]
pub struct ServerSettings {
    /// Address and port to listen on. Port 0 takes a free one; the log names it.
    #[arg(long, env = "ROLLCALL_LISTEN", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8443")]
    pub listen: SocketAddr,

    /// Whether the API speaks TLS itself. `off` is for a proxy in front that does: passwords cross the
    /// connection in clear.
    #[arg(
        long,
        env = "ROLLCALL_TLS",
        value_name = "on|off",
        default_value = "on",
        hide_possible_values = true
    )]
    pub tls: TlsMode,

    /// PEM file of the server's certificate, followed by those of its authorities. Read again when it changes.
    #[arg(long, env = "ROLLCALL_TLS_CERT", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,

    /// PEM file of the certificate's private key. Read again when it changes.
    #[arg(long, env = "ROLLCALL_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,

    /// Header in which a proxy in front names the client's address (such as `X-Forwarded-For`; its last address
    /// counts). Not set: the address of the connection counts. Set it only where every request passes the proxy,
    /// for anybody can write a header.
    #[arg(long, env = "ROLLCALL_CLIENT_ADDRESS_HEADER", value_name = "HEADER")]
    pub client_address_header: Option<HeaderName>,

    /// Seconds that requests under way are given to end when the API is told to stop. Those that still wait for
    /// a result a second before the end are answered 202 with the place to ask for it.
    #[arg(
        long = "shutdown-seconds", env = "ROLLCALL_SHUTDOWN_SECONDS", value_name = "SECONDS", default_value = "25",
        value_parser = seconds
    )]
    pub shutdown_limit: Duration,
}

/// How much of everything.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitSettings {
    /// Connections to Postgres, at most; one more listens for finished imports.
    #[arg(
        long, env = "ROLLCALL_DATABASE_CONNECTIONS", value_name = "COUNT", default_value_t = 16,
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    pub database_connections: u16,

    /// Seconds after which the answer of a waiting upload begins, with a space.
    #[arg(
        long = "heartbeat-after-seconds", env = "ROLLCALL_HEARTBEAT_AFTER_SECONDS", value_name = "SECONDS",
        default_value = "20", value_parser = seconds
    )]
    pub heartbeat_after: Duration,

    /// Seconds between the spaces that keep a waiting connection from being dropped as idle.
    #[arg(
        long = "heartbeat-every-seconds", env = "ROLLCALL_HEARTBEAT_EVERY_SECONDS", value_name = "SECONDS",
        default_value = "15", value_parser = some_seconds
    )]
    pub heartbeat_every: Duration,

    /// Seconds without a byte after which an upload is given up.
    #[arg(
        long = "upload-idle-seconds", env = "ROLLCALL_UPLOAD_IDLE_SECONDS", value_name = "SECONDS",
        default_value = "60", value_parser = some_seconds
    )]
    pub upload_idle: Duration,

    /// Bytes up to which a file goes to the lane of small imports.
    #[arg(long, env = "ROLLCALL_SMALL_UPLOAD_BYTES", value_name = "BYTES", default_value_t = 1024 * 1024)]
    pub small_upload_bytes: u64,

    /// Bytes of a refused request that are read and thrown away, so that its sender comes to read the answer.
    #[arg(long, env = "ROLLCALL_DRAIN_BYTES", value_name = "BYTES", default_value_t = 16 * 1024 * 1024)]
    pub drain_bytes: u64,
}

/// How logins are checked.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Logins")]
pub struct LoginSettings {
    /// Threads that hash passwords, each with 12 MiB. Not set: as many as there are cores, but 2 at most.
    #[arg(
        long, env = "ROLLCALL_HASHING_THREADS", value_name = "COUNT",
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    pub hashing_threads: Option<u16>,

    /// Seconds for which a verified login is remembered, in memory, so that it is not hashed with each request.
    /// 0 remembers none.
    #[arg(
        long = "login-memory-seconds", env = "ROLLCALL_LOGIN_MEMORY_SECONDS", value_name = "SECONDS",
        default_value = "300", value_parser = seconds
    )]
    pub memory: Duration,

    /// Failed logins after which a client address may not try the same username again for a while.
    #[arg(
        long, env = "ROLLCALL_FAILED_LOGINS_PER_ACCOUNT", value_name = "COUNT", default_value_t = 10,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub failed_logins_per_account: u32,

    /// Failed logins after which a client address may not try any username for a while.
    #[arg(
        long, env = "ROLLCALL_FAILED_LOGINS_PER_ADDRESS", value_name = "COUNT", default_value_t = 100,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub failed_logins_per_address: u32,

    /// Seconds within which failed logins are counted, and after which they are forgotten.
    #[arg(
        long = "failed-logins-seconds", env = "ROLLCALL_FAILED_LOGINS_SECONDS", value_name = "SECONDS",
        default_value = "300", value_parser = some_seconds
    )]
    pub failure_window: Duration,
}

impl ServerSettings {
    /// The files of certificate and key, or `None` where TLS is off.
    pub fn tls_files(&self) -> Result<Option<(PathBuf, PathBuf)>, ConfigError> {
        if self.tls == TlsMode::Off {
            return Ok(None);
        }
        let file = |setting, file: &Option<PathBuf>, what| {
            file.clone().ok_or_else(|| {
                ConfigError::new(
                    setting,
                    format!(
                        "is not set: name the PEM file of {what}, or set ROLLCALL_TLS=off behind a proxy"
                    ),
                )
            })
        };
        Ok(Some((
            file("ROLLCALL_TLS_CERT", &self.tls_cert, "the server's certificate")?,
            file("ROLLCALL_TLS_KEY", &self.tls_key, "the certificate's private key")?,
        )))
    }
}

impl LoginSettings {
    /// Threads that hash passwords.
    pub fn hashing_threads(&self) -> usize {
        match self.hashing_threads {
            Some(threads) => threads.into(),
            None => std::thread::available_parallelism().map_or(1, usize::from).min(2),
        }
    }
}

/// A time; 0 is one too.
fn seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .filter(|seconds| (0.0..=86_400.0).contains(seconds))
        .map(Duration::from_secs_f64)
        .ok_or_else(|| "give a number of seconds from 0 to 86400".to_owned())
}

/// A time that is not 0.
fn some_seconds(text: &str) -> Result<Duration, String> {
    seconds(text)
        .ok()
        .filter(|time| *time >= Duration::from_millis(10))
        .ok_or_else(|| "give a number of seconds from 0.01 to 86400".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_arguments_are_well_formed() {
        Settings::command().debug_assert();
    }
}
