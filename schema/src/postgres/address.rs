//! Where Postgres is, and what is asked of every session there.

use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, RecyclingMethod};
use diesel::{ConnectionError, ConnectionResult};
use diesel_async::AsyncPgConnection;
use tokio_postgres::Client;
use tokio_postgres_rustls::MakeRustlsConnect;
use url::Url;

use super::service_role::ServiceRole;
use super::tls;
use crate::settings::error::SettingError;

/// Timeout for connecting to the server, and for waiting for a free connection of a pool.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the server may be silent on a connection before the connection counts as lost.
const SILENCE_LIMIT: Duration = Duration::from_secs(30);

/// Settings of every session:
///
/// - the server ends a transaction whose process froze or whose machine disappeared, because others wait for its locks;
/// - no statement waits for a lock forever;
/// - the server detects a dead client as fast as the client detects a dead server;
/// - every execution is planned again, except where [a session says otherwise](super::client::Session::with_cached_plans).
///   A generic plan made while a table was empty would later read all users of a tenant to find one;
/// - no plan is compiled: that takes a tenth of a second, and no statement here runs long enough to be worth it.
const SESSION_OPTIONS: &str = "-c idle_in_transaction_session_timeout=30s -c lock_timeout=45s -c tcp_keepalives_idle=10 \
                               -c tcp_keepalives_interval=10 -c tcp_keepalives_count=2 \
                               -c plan_cache_mode=force_custom_plan -c jit=off";

/// Where the database is, and how TLS to it works.
///
/// The URL is libpq's. Its parameters `sslmode` and `sslrootcert` have libpq's meaning: `disable`; `prefer` (the default) and `require` encrypt without checking the certificate;
/// `verify-full` checks it and the host's name, against `sslrootcert` or the system's authorities.
#[derive(Clone)]
pub struct DatabaseAddress {
    config: tokio_postgres::Config,
    tls: MakeRustlsConnect,
}

impl DatabaseAddress {
    /// Parses the value of `DATABASE_URL` and loads the authorities that it names.
    pub fn parse(url: &str) -> Result<Self, SettingError> {
        Self::parse_setting("DATABASE_URL", url)
    }

    /// Parses the value of a setting and loads the authorities that it names.
    pub fn parse_setting(setting: &'static str, url: &str) -> Result<Self, SettingError> {
        let invalid = |why: String| SettingError::new(setting, why);
        let mut url = Url::parse(url).map_err(|error| {
            invalid(format!("is not a URL ({error}); write postgres://USER:PASSWORD@HOST:PORT/DATABASE"))
        })?;
        let mut mode = None;
        let mut root = None;
        let rest: Vec<(String, String)> = url
            .query_pairs()
            .filter_map(|(name, value)| match &*name {
                "sslmode" => {
                    mode = Some(value.into_owned());
                    None
                }
                "sslrootcert" => {
                    root = Some(value.into_owned());
                    None
                }
                _ => Some((name.into_owned(), value.into_owned())),
            })
            .collect();
        url.set_query(None);
        if !rest.is_empty() {
            url.query_pairs_mut().extend_pairs(rest);
            // The driver decodes percent signs only, as libpq does.
            let query = url.query().map(|query| query.replace('+', "%20"));
            url.set_query(query.as_deref());
        }
        let mut config: tokio_postgres::Config = url.as_str().parse().map_err(|error| {
            invalid(format!("cannot be used ({error}); write postgres://USER:PASSWORD@HOST:PORT/DATABASE"))
        })?;
        config.connect_timeout(CONNECT_TIMEOUT);
        config
            .keepalives_idle(SILENCE_LIMIT / 3)
            .keepalives_interval(SILENCE_LIMIT / 3)
            .keepalives_retries(2);
        config.tcp_user_timeout(SILENCE_LIMIT);
        // The URL's own come last: they count.
        let given = config.get_options().map(|options| format!(" {options}")).unwrap_or_default();
        config.options(format!("{SESSION_OPTIONS}{given}"));

        let (ssl_mode, tls) = tls::connector(mode.as_deref(), root.as_deref()).map_err(invalid)?;
        config.ssl_mode(ssl_mode);
        Ok(Self { config, tls })
    }

    /// Adds a setting to every session.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        let given = self.config.get_options().unwrap_or_default();
        let options = format!("{given} -c {name}={value}");
        self.config.options(options);
        self
    }

    /// Opens a connection for hand-written SQL outside any pool.
    pub(super) async fn connect_client(&self) -> Result<Client, tokio_postgres::Error> {
        let (client, connection) = self.config.connect(self.tls.clone()).await?;
        // It ends with the client, whose next statement reports any error.
        tokio::spawn(connection);
        Ok(client)
    }

    /// Names every session, for `pg_stat_activity`.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.config.application_name(name);
        self
    }

    /// The role that the URL names, and its password.
    pub fn role(&self) -> Option<ServiceRole> {
        let password =
            self.config.get_password().map(|password| String::from_utf8_lossy(password).into_owned());
        Some(ServiceRole { name: self.config.get_user()?.to_owned(), password })
    }

    /// Opens a diesel connection outside any pool.
    pub(super) async fn connect(&self) -> ConnectionResult<AsyncPgConnection> {
        let (client, connection) = self
            .config
            .connect(self.tls.clone())
            .await
            .map_err(|error| ConnectionError::BadConnection(describe(&error)))?;
        AsyncPgConnection::try_from_client_and_connection(client, connection).await
    }

    /// What a pool of sessions makes its sessions with.
    pub(super) fn session_manager(&self) -> Manager {
        // A connection that the server closed is noticed by the driver. Asking the server before each use would cost
        // every small import a round trip.
        let manager = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        Manager::from_config(self.config.clone(), self.tls.clone(), manager)
    }
}

/// The error with its sources on one line: the driver's own Display says only "error connecting to server".
fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}
