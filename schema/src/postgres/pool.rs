//! The way to Postgres: the pool, TLS to the server, migrations, and the channel on which finished imports
//! are announced.

use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel::migration::{Migration, MigrationSource as _};
use diesel::pg::Pg;
use diesel::{ConnectionError, ConnectionResult};
use diesel_async::pooled_connection::deadpool::{Object, Pool, PoolError};
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use diesel_async::{AsyncMigrationHarness, AsyncPgConnection, RunQueryDsl as _, SimpleAsyncConnection as _};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _, embed_migrations};
use futures_util::FutureExt as _;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_postgres::Client;
use tokio_postgres_rustls::MakeRustlsConnect;
use url::Url;

use crate::config::ConfigError;
use crate::session::SessionError;

/// Every migration there is, compiled in, so that a binary always carries the tables it was built for.
const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

/// How long a request waits for a connection of the pool, or for the server to accept one.
pub(crate) const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// How long the server may be silent on a connection before it is given up.
const SILENCE_LIMIT: Duration = Duration::from_secs(30);
/// What the server is asked to do with our sessions: to end a transaction whose process froze or whose machine went
/// away, because others wait for its locks; to let nobody wait for a lock for ever; to notice a silent client as
/// soon as we would notice a silent server; and to plan each statement anew: a plan that was made while a table was
/// empty, and kept, would walk all of a tenant's users for the one that it looks for.
const SESSION_OPTIONS: &str = "-c idle_in_transaction_session_timeout=30s -c lock_timeout=45s -c tcp_keepalives_idle=10 \
                               -c tcp_keepalives_interval=10 -c tcp_keepalives_count=2 \
                               -c plan_cache_mode=force_custom_plan";

/// How long a process that starts waits for the database.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How long it waits before it asks again.
const START_PAUSE: Duration = Duration::from_millis(500);

/// One connection to Postgres.
pub type Connection = AsyncPgConnection;

/// Why the database could not be asked, or did not answer as it should.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// No connection could be had in time.
    #[error("no connection to the database could be had")]
    Unreachable(#[from] PoolError),
    /// No connection could be made outside the pool.
    #[error("the database did not accept a connection")]
    Refused(#[from] ConnectionError),
    /// No session could be had in time.
    #[error("no connection to the database could be had")]
    NoSession(#[from] SessionError),
    /// A statement failed.
    #[error("a statement failed in the database")]
    Query(#[from] diesel::result::Error),
    /// A statement failed in a session.
    #[error("a statement failed in the database")]
    Statement(#[from] tokio_postgres::Error),
    /// The tables could not be brought up to date.
    #[error("the tables could not be migrated: {0}")]
    Migration(String),
}

impl DatabaseError {
    /// Whether the server itself said so: then the statement is over, and changed nothing. Of one whose connection was
    /// lost nobody knows.
    pub fn is_answer(&self) -> bool {
        use diesel::result::{DatabaseErrorKind, Error};
        match self {
            Self::Query(Error::DatabaseError(kind, _)) => {
                !matches!(kind, DatabaseErrorKind::UnableToSendCommand | DatabaseErrorKind::ClosedConnection)
            }
            Self::Query(Error::NotFound) => true,
            Self::Statement(error) => error.as_db_error().is_some(),
            Self::Unreachable(_)
            | Self::Refused(_)
            | Self::NoSession(_)
            | Self::Query(_)
            | Self::Migration(_) => false,
        }
    }
}

/// Why a process cannot begin to work.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database does not answer.
    #[error("the database did not answer within {} s: start it, or mend DATABASE_URL", START_LIMIT.as_secs())]
    Away(#[source] DatabaseError),
    /// The database lacks tables.
    #[error("the database lacks this version's tables: run `rollcall migrate`")]
    NotMigrated,
}

/// Where the database is and how TLS to it is done.
///
/// The URL is libpq's. Of its parameters `sslmode` and `sslrootcert` are understood here, with libpq's
/// meaning: `disable`; `prefer` (the default) and `require` encrypt without checking the certificate;
/// `verify-full` checks it and the host's name, against `sslrootcert` or the system's authorities.
#[derive(Clone)]
pub struct DatabaseAddress {
    config: tokio_postgres::Config,
    tls: MakeRustlsConnect,
}

impl DatabaseAddress {
    /// Parses the URL and loads the authorities that it names.
    pub fn parse(url: &str) -> Result<Self, ConfigError> {
        let invalid = |why: String| ConfigError::new("DATABASE_URL", why);
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
        }
        let mut config: tokio_postgres::Config = url.as_str().parse().map_err(|error| {
            invalid(format!("cannot be used ({error}); write postgres://USER:PASSWORD@HOST:PORT/DATABASE"))
        })?;
        config.connect_timeout(CONNECT_LIMIT);
        config
            .keepalives_idle(SILENCE_LIMIT / 3)
            .keepalives_interval(SILENCE_LIMIT / 3)
            .keepalives_retries(2);
        config.tcp_user_timeout(SILENCE_LIMIT);
        let given = config.get_options().map(|options| format!("{options} ")).unwrap_or_default();
        config.options(format!("{given}{SESSION_OPTIONS}"));

        let builder =
            rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .map_err(|error| invalid(error.to_string()))?;
        if root.is_some() && mode.as_deref() != Some("verify-full") {
            return Err(invalid(
                "names an sslrootcert, which only sslmode=verify-full checks: add that, or take sslrootcert out".to_owned(),
            ));
        }
        let unverified = || {
            builder
                .clone()
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AnyCertificate))
                .with_no_client_auth()
        };
        let tls = match mode.as_deref() {
            Some("disable") => {
                config.ssl_mode(tokio_postgres::config::SslMode::Disable);
                unverified()
            }
            None | Some("prefer" | "allow") => {
                config.ssl_mode(tokio_postgres::config::SslMode::Prefer);
                unverified()
            }
            Some("require") => {
                config.ssl_mode(tokio_postgres::config::SslMode::Require);
                unverified()
            }
            Some("verify-full") => {
                config.ssl_mode(tokio_postgres::config::SslMode::Require);
                builder
                    .with_root_certificates(authorities(root.as_deref()).map_err(invalid)?)
                    .with_no_client_auth()
            }
            Some(other) => {
                return Err(invalid(format!(
                    "has sslmode={other}; use disable, prefer, require or verify-full"
                )));
            }
        };
        Ok(Self { config, tls: MakeRustlsConnect::new(tls) })
    }

    /// The same server, asked to run each session with this setting.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        let given = self.config.get_options().unwrap_or_default();
        let options = format!("{given} -c {name}={value}");
        self.config.options(options);
        self
    }

    /// Opens one connection outside any pool, for listening and for migrations.
    async fn connect(&self) -> ConnectionResult<Connection> {
        let (client, connection) = self
            .config
            .connect(self.tls.clone())
            .await
            .map_err(|error| ConnectionError::BadConnection(describe(&error)))?;
        AsyncPgConnection::try_from_client_and_connection(client, connection).await
    }

    /// Opens one connection without diesel. Of the two the latter moves the bytes and must be run.
    pub(crate) async fn open(
        &self,
    ) -> Result<
        (Client, impl Future<Output = Result<(), tokio_postgres::Error>> + use<>),
        tokio_postgres::Error,
    > {
        self.config.connect(self.tls.clone()).await
    }
}

/// The error with its sources, in one line: the driver's own Display says only "error connecting to server".
fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}

fn authorities(root: Option<&str>) -> Result<rustls::RootCertStore, String> {
    let mut store = rustls::RootCertStore::empty();
    match root {
        Some(path) if path != "system" => {
            let certificates = CertificateDer::pem_file_iter(path)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                .map_err(|error| format!("names sslrootcert={path}, which cannot be read as PEM: {error}"))?;
            store.add_parsable_certificates(certificates);
        }
        _ => {
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    Ok(store)
}

/// Accepts any certificate: what libpq's `prefer` and `require` do. Encryption without authentication, for
/// servers whose certificate nobody signed.
#[derive(Debug)]
struct AnyCertificate;

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            cert,
            dss,
            &rustls::crypto::ring::default_provider().signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            cert,
            dss,
            &rustls::crypto::ring::default_provider().signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

#[derive(diesel::QueryableByName)]
struct RunMigration {
    #[diesel(sql_type = diesel::sql_types::Text)]
    version: String,
}

/// The pool of connections that a process works with.
#[derive(Clone)]
pub struct Database {
    pool: Pool<Connection>,
    address: DatabaseAddress,
}

impl Database {
    /// Prepares a pool of at most `connections`; connects when first asked.
    pub fn new(address: DatabaseAddress, connections: usize) -> Self {
        let mut manager = ManagerConfig::default();
        // A connection that the server closed is noticed by the driver; asking each time would cost every
        // small import a round trip.
        manager.recycling_method = RecyclingMethod::Fast;
        let connector = address.clone();
        manager.custom_setup = Box::new(move |_| {
            let connector = connector.clone();
            async move { connector.connect().await }.boxed()
        });
        let manager = AsyncDieselConnectionManager::new_with_config("", manager);
        let pool = Pool::builder(manager)
            .max_size(connections)
            .wait_timeout(Some(CONNECT_LIMIT))
            .create_timeout(Some(CONNECT_LIMIT))
            .runtime(deadpool::Runtime::Tokio1)
            .build()
            .expect("a pool with time-outs has been given its runtime");
        Self { pool, address }
    }

    /// A connection from the pool.
    pub async fn connection(&self) -> Result<Object<Connection>, DatabaseError> {
        Ok(self.pool.get().await?)
    }

    /// Whether the database answers now.
    pub async fn check(&self) -> Result<(), DatabaseError> {
        self.connection().await?.batch_execute("select 1").await?;
        Ok(())
    }

    /// Brings the tables up to date and returns the names of the migrations that were run.
    ///
    /// Safe to run from several processes at once: the second waits for the first and finds nothing to do.
    pub async fn migrate(&self) -> Result<Vec<String>, DatabaseError> {
        let mut connection = self.address.connect().await?;
        // A migration may take as long as it takes, and others wait for it.
        connection.batch_execute("set lock_timeout = 0").await?;
        // Held by the session, so that it spans the migrations' own transactions.
        connection
            .batch_execute("select pg_advisory_lock(hashtextextended('rollcall migrations', 0))")
            .await?;
        tokio::task::spawn_blocking(move || {
            let mut harness = AsyncMigrationHarness::new(connection);
            harness
                .run_pending_migrations(MIGRATIONS)
                .map(|versions| versions.iter().map(ToString::to_string).collect())
                .map_err(|error| DatabaseError::Migration(error.to_string()))
        })
        .await
        .expect("migrations do not panic and are not cancelled")
    }

    /// Whether the database answers and has this binary's tables. Only reads, so that a process needs no right to make
    /// tables.
    pub async fn is_migrated(&self) -> Result<bool, DatabaseError> {
        let mut conn = self.connection().await?;
        let bookkeeping =
            diesel::sql_query("select from pg_tables where tablename = '__diesel_schema_migrations'");
        if bookkeeping.execute(&mut conn).await? == 0 {
            return Ok(false);
        }
        let run: Vec<RunMigration> =
            diesel::sql_query("select version from __diesel_schema_migrations").load(&mut conn).await?;
        let known: Vec<Box<dyn Migration<Pg>>> =
            MIGRATIONS.migrations().map_err(|error| DatabaseError::Migration(error.to_string()))?;
        Ok(known
            .iter()
            .all(|known| run.iter().any(|run| known.name().version() == run.version.as_str().into())))
    }

    /// Waits, for half a minute at most, until the database answers, and makes sure that it has this binary's
    /// tables: what a process does before it begins to work.
    pub async fn wait_until_migrated(&self) -> Result<(), StartError> {
        let given_up = Instant::now() + START_LIMIT;
        loop {
            match self.is_migrated().await {
                Ok(true) => return Ok(()),
                Ok(false) => return Err(StartError::NotMigrated),
                Err(error) if Instant::now() >= given_up => return Err(StartError::Away(error)),
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "the database does not answer yet"
                    );
                }
            }
            tokio::time::sleep(START_PAUSE).await;
        }
    }

    /// Opens a connection that hears of finished imports; see [`crate::import::FINISHED_CHANNEL`].
    pub async fn listen(&self, channel: &'static str) -> Result<Connection, DatabaseError> {
        let mut connection = self.address.connect().await?;
        connection.batch_execute(&format!("listen {channel}")).await?;
        Ok(connection)
    }
}
