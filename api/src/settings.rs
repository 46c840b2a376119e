//! The API's settings: command-line arguments that are also environment variables, so that `--help` documents both.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use axum::http::HeaderName;
use clap::{Parser, ValueEnum};
use ipnet::IpNet;
use rollcall_schema::postgres::pool::PoolSizes;
use rollcall_schema::settings::error::SettingError;
use rollcall_schema::settings::{
    BrokerSettings, DatabaseSettings, KeySettings, UploadSettings, positive_seconds, seconds,
};

/// Rollcall's API: accepts CSV uploads over HTTPS, queues them as imports, and responds with their results.
///
/// Every setting can also be given as the environment variable shown with it. Traces are exported as the standard
/// `OTEL_*` variables say. `RUST_LOG` selects what is logged; `ROLLCALL_LOG=json` logs in JSON.
#[derive(Debug, Clone, Parser)]
#[command(name = "rollcall-api", version)]
pub struct Settings {
    #[command(flatten)]
    pub database: DatabaseSettings,

    #[command(flatten)]
    pub broker: BrokerSettings,

    #[command(flatten)]
    pub key: KeySettings,

    #[command(flatten)]
    pub uploads: UploadSettings,

    #[command(flatten)]
    pub server: ServerSettings,

    #[command(flatten)]
    pub limits: LimitSettings,

    #[command(flatten)]
    pub login: LoginSettings,
}

/// Whether the API itself serves TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TlsMode {
    On,
    Off,
}

/// How the API listens.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Server")]
pub struct ServerSettings {
    /// Address and port to listen on. Port 0 selects a free port, which is logged.
    #[arg(long, env = "ROLLCALL_LISTEN", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8443")]
    pub listen: SocketAddr,

    /// Whether the API serves TLS itself. Turn it off only where a proxy in front terminates TLS: the API then
    /// receives passwords in clear text.
    #[arg(
        long,
        env = "ROLLCALL_TLS",
        value_name = "on|off",
        default_value = "on",
        hide_possible_values = true
    )]
    pub tls: TlsMode,

    /// PEM file with the server's certificate, followed by any intermediate certificates. It is reloaded when it
    /// changes.
    #[arg(long, env = "ROLLCALL_TLS_CERT", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,

    /// PEM file with the certificate's private key. It is reloaded when it changes.
    #[arg(long, env = "ROLLCALL_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,

    /// Header in which trusted proxies pass the client's address, such as `X-Forwarded-For`: the last address in it
    /// that is not a trusted proxy's counts, with or without a port. By default the address of the connection counts.
    #[arg(long, env = "ROLLCALL_CLIENT_ADDRESS_HEADER", value_name = "HEADER")]
    pub client_address_header: Option<HeaderName>,

    /// Addresses or networks of the proxies in front, separated by commas, such as `10.0.0.0/8,::1`. Required with a
    /// client address header, which is ignored on connections from elsewhere.
    #[arg(
        long, env = "ROLLCALL_TRUSTED_PROXIES", value_name = "NETWORKS", value_delimiter = ',', value_parser = network
    )]
    pub trusted_proxies: Vec<IpNet>,

    /// Seconds that open requests have to finish on shutdown. Uploads that have no answer by the time their response
    /// would start, or one second before the end, get a 202 with the URL to poll.
    #[arg(
        long = "shutdown-seconds", env = "ROLLCALL_SHUTDOWN_SECONDS", value_name = "SECONDS", default_value = "25",
        value_parser = seconds
    )]
    pub shutdown_timeout: Duration,
}

/// Limits on connections, uploads and waiting.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitSettings {
    /// Maximum number of connections from clients. At the limit, the connection that has been idle for longest is closed;
    /// if none is idle, a new one gets a 503. The default is 8192, or as many as the limit on open files allows.
    #[arg(
        long, env = "ROLLCALL_CONNECTIONS", value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub connections: Option<u32>,

    /// Seconds that a client may take to send a request's head, and for which a connection may be idle between requests.
    #[arg(
        long = "request-head-seconds", env = "ROLLCALL_REQUEST_HEAD_SECONDS", value_name = "SECONDS",
        default_value = "30", value_parser = positive_seconds
    )]
    pub request_head: Duration,

    /// Seconds after which a connection is closed whose client reads nothing of what is sent to it.
    #[arg(
        long = "response-stall-seconds", env = "ROLLCALL_RESPONSE_STALL_SECONDS", value_name = "SECONDS",
        default_value = "60", value_parser = positive_seconds
    )]
    pub response_stall: Duration,

    /// Maximum number of uploads received at the same time. Further ones wait a few seconds, then get a 503.
    #[arg(
        long, env = "ROLLCALL_UPLOADS_AT_ONCE", value_name = "COUNT", default_value_t = 512,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub uploads_at_once: u32,

    /// Maximum number of uploads received from one tenant at the same time. Further ones wait a few seconds, then get a
    /// 429.
    #[arg(
        long, env = "ROLLCALL_UPLOADS_PER_TENANT", value_name = "COUNT", default_value_t = 64,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub uploads_per_tenant: u32,

    /// Maximum number of clients that wait for a result at the same time. Further uploads get a 503, and polls are
    /// answered at once.
    #[arg(
        long, env = "ROLLCALL_WAITING_CLIENTS", value_name = "COUNT", default_value_t = 2048,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub waiting_clients: u32,

    /// Maximum number of clients of one tenant that wait for a result at the same time. Further uploads get a 429, and
    /// polls are answered at once.
    #[arg(
        long, env = "ROLLCALL_WAITING_PER_TENANT", value_name = "COUNT", default_value_t = 512,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub waiting_per_tenant: u32,

    /// Maximum number of results with details sent at the same time; each takes about 200 KiB of memory. Further ones
    /// wait a few seconds, then get a 503.
    #[arg(
        long, env = "ROLLCALL_RESULTS_AT_ONCE", value_name = "COUNT", default_value_t = 512,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub results_at_once: u32,

    /// Maximum number of results with details sent to one tenant at the same time. Further ones wait a few seconds, then
    /// get a 429.
    #[arg(
        long, env = "ROLLCALL_RESULTS_PER_TENANT", value_name = "COUNT", default_value_t = 256,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub results_per_tenant: u32,

    /// Maximum number of connections to Postgres. One more connection listens for finished imports.
    #[arg(
        long, env = "ROLLCALL_DATABASE_CONNECTIONS", value_name = "COUNT", default_value_t = 16,
        value_parser = clap::value_parser!(u16).range(2..)
    )]
    pub database_connections: u16,

    /// Seconds after which the response to a waiting upload starts, with a space.
    #[arg(
        long = "heartbeat-after-seconds", env = "ROLLCALL_HEARTBEAT_AFTER_SECONDS", value_name = "SECONDS",
        default_value = "20", value_parser = seconds
    )]
    pub heartbeat_after: Duration,

    /// Seconds between the spaces that keep a waiting connection from being dropped as idle.
    #[arg(
        long = "heartbeat-every-seconds", env = "ROLLCALL_HEARTBEAT_EVERY_SECONDS", value_name = "SECONDS",
        default_value = "15", value_parser = positive_seconds
    )]
    pub heartbeat_every: Duration,

    /// Seconds without data after which an upload times out.
    #[arg(
        long = "upload-idle-seconds", env = "ROLLCALL_UPLOAD_IDLE_SECONDS", value_name = "SECONDS",
        default_value = "60", value_parser = positive_seconds
    )]
    pub upload_idle: Duration,

    /// Bytes a second that an upload must average. One that lags by more than the grace time times out. 0 turns
    /// it off.
    #[arg(long, env = "ROLLCALL_UPLOAD_MIN_BYTES_PER_SECOND", value_name = "BYTES", default_value_t = 1024)]
    pub upload_min_bytes_per_second: u64,

    /// Seconds by which an upload may lag that average.
    #[arg(
        long = "upload-grace-seconds", env = "ROLLCALL_UPLOAD_GRACE_SECONDS", value_name = "SECONDS",
        default_value = "60", value_parser = positive_seconds
    )]
    pub upload_grace: Duration,

    /// Largest file, in bytes, that goes to the small lane. Larger files go to the bulk lane.
    #[arg(long, env = "ROLLCALL_SMALL_UPLOAD_BYTES", value_name = "BYTES", default_value_t = 1024 * 1024)]
    pub small_upload_bytes: u64,

    /// Bytes of a failed request's body that are read and discarded, so that the client gets to read the response.
    #[arg(long, env = "ROLLCALL_DRAIN_BYTES", value_name = "BYTES", default_value_t = 16 * 1024 * 1024)]
    pub drain_bytes: u64,
}

/// How logins are checked.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Logins")]
pub struct LoginSettings {
    /// Threads that hash passwords; each uses 12 MiB of memory. The default is the number of cores, but at most 2.
    #[arg(
        long, env = "ROLLCALL_HASHING_THREADS", value_name = "COUNT",
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    pub hashing_threads: Option<u16>,

    /// Seconds for which a verified login is cached in memory, so that not every request hashes its password. 0
    /// disables the cache.
    #[arg(
        long = "login-memory-seconds", env = "ROLLCALL_LOGIN_MEMORY_SECONDS", value_name = "SECONDS",
        default_value = "300", value_parser = seconds
    )]
    pub cache_ttl: Duration,

    /// Failed logins of a client address to one account after which it is slowed: a wrong login is then a 429 after a
    /// delay. A right one is accepted all the same.
    #[arg(
        long, env = "ROLLCALL_FAILED_LOGINS_PER_ACCOUNT", value_name = "COUNT", default_value_t = 10,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub failed_logins_per_account: u32,

    /// Failed logins of a client address to any account after which it is slowed; also those to one account from any
    /// address. An IPv6 address counts by its /64, and four times as many by its /48.
    #[arg(
        long, env = "ROLLCALL_FAILED_LOGINS_PER_ADDRESS", value_name = "COUNT", default_value_t = 100,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub failed_logins_per_address: u32,

    /// Seconds within which failed logins are counted, and after which they are forgotten.
    #[arg(
        long = "failed-logins-seconds", env = "ROLLCALL_FAILED_LOGINS_SECONDS", value_name = "SECONDS",
        default_value = "300", value_parser = positive_seconds
    )]
    pub failed_logins_window: Duration,

    /// Seconds that a wrong login of a slowed client waits for its answer at first; up to six times as long as it goes on.
    #[arg(
        long = "failed-login-delay-seconds", env = "ROLLCALL_FAILED_LOGIN_DELAY_SECONDS", value_name = "SECONDS",
        default_value = "5", value_parser = seconds
    )]
    pub failed_login_delay: Duration,
}

/// Parses a network, or an address as the network of itself.
fn network(text: &str) -> Result<IpNet, &'static str> {
    let text = text.trim();
    text.parse()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| "give addresses or networks, such as 10.0.0.0/8")
}

/// The files of a TLS certificate and its private key.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl ServerSettings {
    /// The files to serve TLS with, or `None` if TLS is off.
    pub fn tls_files(&self) -> Result<Option<TlsFiles>, SettingError> {
        if self.tls == TlsMode::Off {
            return Ok(None);
        }
        let required = |setting, file: &Option<PathBuf>, content| {
            file.clone().ok_or_else(|| {
                SettingError::new(
                    setting,
                    format!(
                        "is not set: set it to the PEM file of {content}, or set ROLLCALL_TLS=off behind a proxy \
                         that terminates TLS"
                    ),
                )
            })
        };
        Ok(Some(TlsFiles {
            certificate: required("ROLLCALL_TLS_CERT", &self.tls_cert, "the server's certificate")?,
            key: required("ROLLCALL_TLS_KEY", &self.tls_key, "the certificate's private key")?,
        }))
    }
}

impl LimitSettings {
    /// Half of the connections are for hand-written SQL.
    pub fn pool_sizes(&self) -> PoolSizes {
        let sessions = usize::from(self.database_connections) / 2;
        PoolSizes { connections: usize::from(self.database_connections) - sessions, sessions }
    }
}

impl LoginSettings {
    pub fn hashing_threads(&self) -> usize {
        match self.hashing_threads {
            Some(threads) => threads.into(),
            None => std::thread::available_parallelism().map_or(1, usize::from).min(2),
        }
    }
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
