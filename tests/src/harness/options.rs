//! How to start a stack: which processes, with which settings, on which servers.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

use super::faults::proxy::Proxy;
use super::processes::binary::free_port;
use super::servers::database::TestDatabase;
use super::servers::dedicated::DedicatedServer;
use super::servers::shared::servers;
use super::stack::{KEY, Stack};

/// How to start a stack. By default it has an API, one worker and the tenant `school`, on the servers of the run.
#[derive(Debug, Clone)]
pub struct Options {
    workers: usize,
    api: bool,
    api_env: Vec<(String, String)>,
    worker_env: Vec<(String, String)>,
    tenant: bool,
    tls: Option<(PathBuf, PathBuf)>,
    as_owner: bool,
    postgres: Option<String>,
    rabbitmq: Option<String>,
    postgres_port: Option<u16>,
    rabbitmq_port: Option<u16>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            workers: 1,
            api: true,
            api_env: Vec::new(),
            worker_env: Vec::new(),
            tenant: true,
            tls: None,
            as_owner: false,
            postgres: None,
            rabbitmq: None,
            postgres_port: None,
            rabbitmq_port: None,
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "so that numbers and texts are passed alike")]
impl Options {
    /// Short intervals and small chunks: a fault costs little time, what is no longer needed is deleted at once, and even a
    /// small roster has several chunks.
    pub fn fast_recovery() -> Self {
        Self::default()
            .worker_env("ROLLCALL_CHUNK_ROWS", 8)
            .worker_env("ROLLCALL_PARALLEL_CHUNKS", 2)
            .worker_env("ROLLCALL_SMALL_LANE", 2)
            .worker_env("ROLLCALL_BULK_LANE", 1)
            .worker_env("ROLLCALL_LEASE_SECONDS", 1.5)
            .worker_env("ROLLCALL_RELAY_INTERVAL_SECONDS", 0.1)
            .worker_env("ROLLCALL_REPUBLISH_AFTER_SECONDS", 0.5)
            .worker_env("ROLLCALL_WORKER_HASHING_THREADS", 1)
            .worker_env("ROLLCALL_JANITOR_INTERVAL_SECONDS", 0.3)
    }

    /// Starts this many workers.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Starts no API: see [`Stack::start_api_with`].
    #[must_use]
    pub fn without_api(mut self) -> Self {
        self.api = false;
        self
    }

    /// Connects the processes to Postgres as the owner of the tables, for whom row-level security does not hold.
    #[must_use]
    pub fn as_owner(mut self) -> Self {
        self.as_owner = true;
        self
    }

    /// Uses this Postgres instead of the run's.
    #[must_use]
    pub fn postgres(mut self, server: &DedicatedServer) -> Self {
        self.postgres = Some(server.url().to_owned());
        self
    }

    /// Uses this RabbitMQ instead of the run's.
    #[must_use]
    pub fn rabbitmq(mut self, server: &DedicatedServer) -> Self {
        self.rabbitmq = Some(server.url().to_owned());
        self
    }

    /// Connects the processes to Postgres through this proxy. The test itself connects directly.
    #[must_use]
    pub fn postgres_through(mut self, proxy: &Proxy) -> Self {
        self.postgres_port = Some(proxy.port());
        self
    }

    /// Connects the processes to RabbitMQ through this proxy. The test itself connects directly.
    #[must_use]
    pub fn rabbitmq_through(mut self, proxy: &Proxy) -> Self {
        self.rabbitmq_port = Some(proxy.port());
        self
    }

    /// Sets an environment variable of the API.
    #[must_use]
    pub fn api_env(mut self, name: &str, value: impl ToString) -> Self {
        self.api_env.push((name.to_owned(), value.to_string()));
        self
    }

    /// Sets an environment variable of the workers.
    #[must_use]
    pub fn worker_env(mut self, name: &str, value: impl ToString) -> Self {
        self.worker_env.push((name.to_owned(), value.to_string()));
        self
    }

    /// Sets an environment variable of the API and the workers.
    #[must_use]
    pub fn env(self, name: &str, value: impl ToString) -> Self {
        let value = value.to_string();
        self.api_env(name, &value).worker_env(name, &value)
    }

    /// Creates no tenant `school`.
    #[must_use]
    pub fn without_tenant(mut self) -> Self {
        self.tenant = false;
        self
    }

    /// Serves TLS with the certificate and the key in these PEM files. Use [`curl`](super::curl) as the client: the stack's
    /// own does not support TLS.
    #[must_use]
    pub fn tls(mut self, certificate: &Path, key: &Path) -> Self {
        self.tls = Some((certificate.to_owned(), key.to_owned()));
        self
    }

    /// Starts the stack and waits until its API is ready.
    pub async fn start(self) -> Stack {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let test_database = match &self.postgres {
            None => TestDatabase::create().await,
            Some(server) => TestDatabase::create_on(server).await,
        };
        let amqp_url = self.rabbitmq.clone().unwrap_or_else(|| servers().amqp_url.clone());
        let folder = TempDir::new().expect("a temporary folder can be created");
        let port = free_port();
        let prefix = format!("test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let database_url = if self.as_owner { &test_database.url } else { &test_database.service_url };
        let environment = [
            ("DATABASE_URL", at_port(database_url, self.postgres_port)),
            ("AMQP_URL", at_port(&amqp_url, self.rabbitmq_port)),
            ("ROLLCALL_QUEUE_PREFIX", prefix.clone()),
            ("ROLLCALL_KEY", KEY.to_owned()),
            ("ROLLCALL_UPLOADS", folder.path().join("uploads").display().to_string()),
            ("ROLLCALL_LISTEN", format!("127.0.0.1:{port}")),
            ("RUST_LOG", std::env::var("RUST_LOG").unwrap_or_else(|_| "info".to_owned())),
        ]
        .into_iter()
        .chain(tls(self.tls.as_ref()))
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
        let url = match &self.tls {
            None => format!("http://127.0.0.1:{port}"),
            Some(_) => format!("https://localhost:{port}"),
        };
        let mut stack = Stack {
            url,
            database: test_database.pool(),
            tenant: None,
            test_database,
            client: reqwest::Client::builder().no_proxy().build().expect("a client without TLS can be built"),
            speaks_tls: self.tls.is_some(),
            environment,
            api_env: self.api_env,
            worker_env: self.worker_env,
            queue_prefix: prefix,
            amqp_url,
            port,
            api: None,
            workers: Vec::new(),
            folder,
        };
        if self.tenant {
            stack.tenant = Some(stack.add_tenant("school").await);
        }
        if self.api {
            stack.start_api().await;
        }
        for _ in 0..self.workers {
            stack.start_worker();
        }
        stack
    }
}

impl Stack {
    /// Starts a stack with the default options.
    pub async fn new() -> Self {
        Options::default().start().await
    }
}

/// The URL with `port` on 127.0.0.1, if one is given.
fn at_port(url: &str, port: Option<u16>) -> String {
    let Some(port) = port else { return url.to_owned() };
    let (credentials, server) = url.rsplit_once('@').expect("the servers' URLs name a user");
    let (_, path) = server.split_once('/').expect("the servers' URLs have a path");
    format!("{credentials}@127.0.0.1:{port}/{path}")
}

/// The API's settings for TLS.
fn tls(files: Option<&(PathBuf, PathBuf)>) -> Vec<(&'static str, String)> {
    match files {
        None => vec![("ROLLCALL_TLS", "off".to_owned())],
        Some((certificate, key)) => vec![
            ("ROLLCALL_TLS", "on".to_owned()),
            ("ROLLCALL_TLS_CERT", certificate.display().to_string()),
            ("ROLLCALL_TLS_KEY", key.display().to_string()),
        ],
    }
}
