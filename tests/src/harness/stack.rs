//! An API and its workers, as they are shipped, on a database and queues of their own.

use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use argon2::password_hash::PasswordHasher as _;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, Version};
use diesel::QueryableByName;
use diesel_async::pooled_connection::deadpool::Object;
use diesel_async::{RunQueryDsl as _, SimpleAsyncConnection as _};
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use rollcall_schema::broker::{Broker, BrokerAddress};
use rollcall_schema::database::{Connection, Database, DatabaseAddress};
use rollcall_schema::ids::TenantId;
use rollcall_schema::tenant::{DEFAULT_UPLOAD_LIMIT_BYTES, PasswordPolicy};
use rollcall_schema::wake_up::Topology;
use rollcall_schema::{account, group, tenant};
use rollcall_servers::{Launch, Process};
use tempfile::TempDir;

use super::client::answer::{Answer, multipart};
use super::client::curl::curl;
use super::condition::eventually;
use super::faults::proxy::Proxy;
use super::servers::database::TestDatabase;
use super::servers::own::OwnServer;
use super::servers::shared::servers;

/// The administrator that every tenant of a stack has.
pub const ADMINISTRATOR: &str = "autoimport";
/// The administrator's password.
pub const PASSWORD: &str = "correct horse battery staple";
/// The service's key in tests.
pub const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// Lines of each log that a failing test shows.
const LOG_LINES: usize = 30;

/// How a stack is to be.
#[derive(Debug, Clone)]
pub struct Options {
    workers: usize,
    api: bool,
    api_env: Vec<(String, String)>,
    worker_env: Vec<(String, String)>,
    tenant: bool,
    tls: Option<(PathBuf, PathBuf)>,
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
            postgres: None,
            rabbitmq: None,
            postgres_port: None,
            rabbitmq_port: None,
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "numbers and texts are given alike")]
impl Options {
    /// One that loses little time over a death, keeps nothing that nobody needs, and whose rosters have several chunks.
    pub fn impatient() -> Self {
        Self::default()
            .worker_env("ROLLCALL_CHUNK_ROWS", 8)
            .worker_env("ROLLCALL_LANES", 2)
            .worker_env("ROLLCALL_SMALL_LANE", 2)
            .worker_env("ROLLCALL_BULK_LANE", 1)
            .worker_env("ROLLCALL_LEASE_SECONDS", 1.5)
            .worker_env("ROLLCALL_RELAY_SECONDS", 0.1)
            .worker_env("ROLLCALL_WAKE_UP_PATIENCE_SECONDS", 0.5)
            .worker_env("ROLLCALL_WORKER_HASHING_THREADS", 1)
            .worker_env("ROLLCALL_CLEANING_SECONDS", 0.3)
    }

    /// How many workers; one unless told.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Without an API until one is started.
    #[must_use]
    pub fn without_api(mut self) -> Self {
        self.api = false;
        self
    }

    /// On this Postgres instead of the run's.
    #[must_use]
    pub fn postgres(mut self, server: &OwnServer) -> Self {
        self.postgres = Some(server.url().to_owned());
        self
    }

    /// On this RabbitMQ instead of the run's.
    #[must_use]
    pub fn rabbitmq(mut self, server: &OwnServer) -> Self {
        self.rabbitmq = Some(server.url().to_owned());
        self
    }

    /// Its processes reach Postgres through this proxy. The test itself goes past it.
    #[must_use]
    pub fn postgres_through(mut self, proxy: &Proxy) -> Self {
        self.postgres_port = Some(proxy.port());
        self
    }

    /// Its processes reach RabbitMQ through this proxy. The test itself goes past it.
    #[must_use]
    pub fn rabbitmq_through(mut self, proxy: &Proxy) -> Self {
        self.rabbitmq_port = Some(proxy.port());
        self
    }

    /// Sets a variable for the API.
    #[must_use]
    pub fn api_env(mut self, name: &str, value: impl ToString) -> Self {
        self.api_env.push((name.to_owned(), value.to_string()));
        self
    }

    /// Sets a variable for the workers.
    #[must_use]
    pub fn worker_env(mut self, name: &str, value: impl ToString) -> Self {
        self.worker_env.push((name.to_owned(), value.to_string()));
        self
    }

    /// Sets a variable for both.
    #[must_use]
    pub fn env(self, name: &str, value: impl ToString) -> Self {
        let value = value.to_string();
        self.api_env(name, &value).worker_env(name, &value)
    }

    /// Without the tenant `school`, which a stack has unless told.
    #[must_use]
    pub fn without_tenant(mut self) -> Self {
        self.tenant = false;
        self
    }

    /// Speaks TLS with the certificate and the key in these PEM files. Its client is curl: the stack's own
    /// speaks no TLS.
    #[must_use]
    pub fn tls(mut self, certificate: &Path, key: &Path) -> Self {
        self.tls = Some((certificate.to_owned(), key.to_owned()));
        self
    }

    /// Starts it.
    pub async fn start(self) -> Stack {
        Stack::start(self).await
    }
}

/// A running service.
pub struct Stack {
    /// Where the API listens: `http://127.0.0.1:PORT`, or `https://localhost:PORT` with TLS.
    pub url: String,
    /// A pool on the service's database.
    pub database: Database,
    /// The tenant `school`, unless the stack was made without.
    pub tenant: Option<Tenant>,
    /// The service's database; gone with the stack.
    pub test_database: TestDatabase,
    client: reqwest::Client,
    options: Options,
    environment: Vec<(String, String)>,
    queue_prefix: String,
    amqp_url: String,
    port: u16,
    api: Option<Process>,
    workers: Vec<Process>,
    folder: TempDir,
}

/// A tenant of a stack, with an administrator.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Its name.
    pub name: String,
}

impl Stack {
    /// A stack with a tenant `school` and one worker.
    pub async fn new() -> Self {
        Options::default().start().await
    }

    async fn start(options: Options) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let test_database = match &options.postgres {
            None => TestDatabase::create().await,
            Some(server) => TestDatabase::create_on(server).await,
        };
        let amqp_url = options.rabbitmq.clone().unwrap_or_else(|| servers().amqp_url.clone());
        let folder = TempDir::new().expect("a temporary folder can be made");
        let port = free_port();
        let prefix = format!("test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let environment = [
            ("DATABASE_URL", at_port(&test_database.url, options.postgres_port)),
            ("AMQP_URL", at_port(&amqp_url, options.rabbitmq_port)),
            ("ROLLCALL_QUEUE_PREFIX", prefix.clone()),
            ("ROLLCALL_KEY", KEY.to_owned()),
            ("ROLLCALL_UPLOADS", folder.path().join("uploads").display().to_string()),
            ("ROLLCALL_LISTEN", format!("127.0.0.1:{port}")),
            ("RUST_LOG", std::env::var("RUST_LOG").unwrap_or_else(|_| "info".to_owned())),
        ]
        .into_iter()
        .chain(tls(options.tls.as_ref()))
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
        let url = match &options.tls {
            None => format!("http://127.0.0.1:{port}"),
            Some(_) => format!("https://localhost:{port}"),
        };
        let mut stack = Self {
            url,
            database: test_database.pool(),
            tenant: None,
            test_database,
            client: reqwest::Client::builder().no_proxy().build().expect("a client without TLS can be made"),
            environment,
            queue_prefix: prefix,
            amqp_url,
            port,
            api: None,
            workers: Vec::new(),
            folder,
            options,
        };
        if stack.options.tenant {
            stack.tenant = Some(stack.add_tenant("school").await);
        }
        if stack.options.api {
            stack.start_api().await;
        }
        for _ in 0..stack.options.workers {
            stack.start_worker();
        }
        stack
    }

    /// The tenant `school`.
    pub fn school(&self) -> &Tenant {
        self.tenant.as_ref().expect("the stack was made with its tenant")
    }

    /// Adds a tenant with an administrator.
    pub async fn add_tenant(&self, name: &str) -> Tenant {
        let mut conn = self.database.connection().await.expect("the database answers");
        let id = tenant::add(&mut conn, name, &[], PasswordPolicy::WhenChanged, DEFAULT_UPLOAD_LIMIT_BYTES)
            .await
            .expect("the tenant is new");
        account::add_administrator(&mut conn, id, ADMINISTRATOR, cheap_hash())
            .await
            .expect("the administrator can be added");
        Tenant { id, name: name.to_owned() }
    }

    /// Defines groups for a tenant.
    pub async fn define_groups(&self, tenant: &Tenant, library: &[&str], system: &[&str]) {
        let mut conn = self.database.connection().await.expect("the database answers");
        for name in library {
            group::add_library_group(&mut conn, tenant.id, name).await.expect("a group can be defined");
        }
        for name in system {
            group::add_system_group(&mut conn, tenant.id, name, false).await.expect("a group can be defined");
        }
    }

    /// What a query yields, each row as an object of its columns. Bytes come as text that begins with `\\x`.
    pub async fn rows(&self, query: &str) -> Vec<serde_json::Value> {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = diesel::sql_types::Text)]
            row: String,
        }
        let mut conn = self.database.connection().await.expect("the database answers");
        let rows: Vec<Row> =
            diesel::sql_query(format!("select to_jsonb(result)::text as row from ({query}) result"))
                .load(&mut conn)
                .await
                .unwrap_or_else(|error| panic!("{error}: {query}"));
        let parse = |row: &Row| serde_json::from_str(&row.row).expect("Postgres writes JSON");
        rows.iter().map(parse).collect()
    }

    /// The only row that a query yields.
    pub async fn row(&self, query: &str) -> serde_json::Value {
        let mut rows = self.rows(query).await;
        assert_eq!(rows.len(), 1, "{query}: {rows:?}");
        rows.remove(0)
    }

    /// Runs a statement on the database.
    pub async fn execute(&self, statement: &str) {
        let mut conn = self.database.connection().await.expect("the database answers");
        diesel::sql_query(statement)
            .execute(&mut conn)
            .await
            .unwrap_or_else(|error| panic!("{error}: {statement}"));
    }

    /// Starts the API and waits until it is ready.
    pub async fn start_api(&mut self) {
        self.start_api_with(&[]).await;
    }

    /// Starts the API, with these variables besides those that it always has, and waits until it is ready.
    pub async fn start_api_with(&mut self, environment: &[(&str, &str)]) {
        self.launch_api_with(environment);
        let given_up = Instant::now() + Duration::from_secs(30);
        loop {
            if self.is_ready().await {
                return;
            }
            let ended = self.api.as_mut().and_then(Process::ended);
            assert!(ended.is_none(), "the API ended: {}", self.logs());
            assert!(Instant::now() < given_up, "the API is not ready: {}", self.logs());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Starts the API, or starts it again, and does not wait until it is ready.
    pub fn launch_api(&mut self) {
        self.launch_api_with(&[]);
    }

    fn launch_api_with(&mut self, environment: &[(&str, &str)]) {
        let environment = with(&self.options.api_env, environment);
        let launch = self.launch("rollcall-api", &environment);
        self.api =
            Some(Process::start(&launch).expect("the API's binary is there: cargo build --workspace --bins"));
    }

    /// Whether the API says that it can do its work.
    pub async fn is_ready(&self) -> bool {
        let url = format!("{}/ready", self.url);
        if self.options.tls.is_some() {
            return curl(["--insecure", &url]).await.status == 200;
        }
        self.client.get(url).send().await.is_ok_and(|answer| answer.status().is_success())
    }

    /// Starts one more worker.
    pub fn start_worker(&mut self) {
        self.start_worker_with(&[]);
    }

    /// Starts one more worker, with these variables besides those that all have.
    pub fn start_worker_with(&mut self, environment: &[(&str, &str)]) {
        let environment = with(&self.options.worker_env, environment);
        let launch = self.launch("rollcall-worker", &environment);
        let worker =
            Process::start(&launch).expect("the worker's binary is there: cargo build --workspace --bins");
        self.workers.push(worker);
    }

    /// Runs the operator's command on the service; its standard output, if it succeeds, else its standard error.
    pub async fn rollcall(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = tokio::process::Command::new(binary_path("rollcall"));
        command.args(arguments).envs(self.environment.iter().map(|(name, value)| (name, value)));
        let output = command.output().await.expect("the command's binary is there");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the command writes UTF-8");
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }

    /// The way to the stack's queues.
    pub fn broker(&self) -> Broker {
        let address = BrokerAddress::parse(&self.amqp_url, Topology::new(&self.queue_prefix))
            .expect("the servers' URL is good");
        Broker::new(address, "test")
    }

    /// The name of the queue of the dead letters.
    pub fn dead_letters(&self) -> String {
        Topology::new(&self.queue_prefix).dead_letters()
    }

    /// Kills every worker with SIGKILL.
    pub fn kill_workers(&mut self) {
        for mut worker in self.workers.drain(..) {
            worker.kill();
        }
    }

    /// Kills a worker with SIGKILL, counted from 0 in the order of their starts.
    pub fn kill_worker(&mut self, number: usize) {
        self.workers.remove(number).kill();
    }

    /// Asks a worker to stop and waits until it has.
    pub async fn stop_worker(&mut self, number: usize) {
        self.workers[number].ask_to_stop();
        let worker = &mut self.workers[number];
        eventually("a worker stops when asked", async || worker.ended()).await;
        self.workers.remove(number);
    }

    /// Asks the API to stop and waits until it has.
    pub async fn stop_api(&mut self) {
        let api = self.api.as_mut().expect("the API runs");
        api.ask_to_stop();
        eventually("the API stops when asked", async || api.ended()).await;
    }

    /// Asserts that no process has ended that was not told to.
    pub fn assert_nobody_ended_by_itself(&mut self) {
        let ended = self.workers.iter_mut().chain(&mut self.api).find_map(Process::ended);
        assert!(ended.is_none(), "a process ended by itself: {ended:?}");
    }

    /// Asks every worker to stop and waits until they have.
    pub fn stop_workers(&mut self) {
        for mut worker in self.workers.drain(..) {
            assert!(worker.stop(Duration::from_secs(20)), "the worker stops when asked");
        }
    }

    /// The API as a process.
    pub fn api(&mut self) -> &mut Process {
        self.api.as_mut().expect("the API runs")
    }

    /// A worker as a process, counted from 0 in the order of their starts.
    pub fn worker(&mut self, number: usize) -> &mut Process {
        &mut self.workers[number]
    }

    /// Starts a worker for each that has died, with these variables; returns how many those were.
    pub fn replace_dead_workers(&mut self, environment: &[(&str, &str)]) -> usize {
        let before = self.workers.len();
        self.workers.retain_mut(|worker| worker.ended().is_none());
        let dead = before - self.workers.len();
        for _ in 0..dead {
            self.start_worker_with(environment);
        }
        dead
    }

    /// Waits until a tenant's import in this place of its line, counted from 1, is being worked on.
    pub async fn running(&self, tenant: &Tenant, place: usize) {
        let query = format!(
            "select from imports where tenant_id = '{}' and place = {place} and state = 'running'",
            tenant.id
        );
        eventually("the import is worked on", async || (!self.rows(&query).await.is_empty()).then_some(()))
            .await;
    }

    /// Waits until a chunk waits amid its transaction for [`Stack::lock_users`].
    pub async fn amid_a_chunk(&self) {
        // Storing hashes waits for the lock, too.
        let waiting = "select from pg_stat_activity
                        where datname = current_database() and wait_event_type = 'Lock'
                          and query not like '%password_sealed = null%'
                          and exists (select from imports where state = 'running')";
        eventually("a chunk waits", async || (!self.rows(waiting).await.is_empty()).then_some(())).await;
    }

    /// How often the import in this place of a tenant's line has been claimed.
    pub async fn attempts(&self, tenant: &Tenant, place: usize) -> u64 {
        let query =
            format!("select attempt from imports where tenant_id = '{}' and place = {place}", tenant.id);
        self.row(&query).await["attempt"].as_u64().expect("a count")
    }

    /// Waits until a worker is frozen.
    pub async fn worker_frozen(&mut self, number: usize) {
        let id = self.workers[number].id();
        eventually("the worker is frozen", async || is_frozen(id).then_some(())).await;
    }

    /// Keeps everybody else from writing to users until the lock is dropped: a chunk that is begun meanwhile waits amid
    /// its transaction.
    pub async fn lock_users(&self) -> Lock {
        let address = DatabaseAddress::parse(&self.test_database.url).expect("the servers' URL is good");
        let pool = Database::new(address, 1);
        let mut conn = pool.connection().await.expect("the database answers");
        conn.batch_execute("begin; lock table users in share mode").await.expect("the lock can be had");
        Lock { _conn: conn }
    }

    /// How many dead letters there are.
    pub async fn dead_letter_count(&self) -> u32 {
        let channel = self.broker().channel().await.expect("RabbitMQ answers");
        let queue = self.dead_letters();
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let declared = channel.queue_declare(queue.as_str().into(), passive, FieldTable::default()).await;
        declared.expect("the queue is there").message_count()
    }

    /// Waits until the API has killed itself, as it was told to.
    pub async fn api_killed(&mut self) {
        let api = self.api.as_mut().expect("the API runs");
        killed("the API", api).await;
        self.api = None;
    }

    /// Waits until the worker that was started last has killed itself, as it was told to.
    pub async fn worker_killed(&mut self) {
        let mut worker = self.workers.pop().expect("a worker runs");
        killed("the worker", &mut worker).await;
    }

    /// The API's process id.
    pub fn api_id(&self) -> u32 {
        self.api.as_ref().expect("the API runs").id()
    }

    /// The workers' process ids.
    pub fn worker_ids(&self) -> Vec<u32> {
        self.workers.iter().map(Process::id).collect()
    }

    fn launch(&self, binary: &str, environment: &[(String, String)]) -> Launch {
        let mut launch = Launch::new(binary_path(binary), self.folder.path().join(format!("{binary}.log")));
        for (name, value) in self.environment.iter().chain(environment) {
            launch = launch.env(name, value);
        }
        launch
    }

    /// What the processes logged last.
    pub fn logs(&self) -> String {
        ["rollcall-api", "rollcall-worker"]
            .map(|binary| {
                let path = self.folder.path().join(format!("{binary}.log"));
                let log = std::fs::read_to_string(path).unwrap_or_default();
                let lines: Vec<&str> = log.lines().collect();
                format!("\n--- {binary}\n{}", lines[lines.len().saturating_sub(LOG_LINES)..].join("\n"))
            })
            .concat()
    }

    /// Where the uploads are kept.
    pub fn uploads(&self) -> PathBuf {
        self.folder.path().join("uploads")
    }

    /// Every file beneath the folder where the uploads are kept.
    pub fn stored_files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut folders = vec![self.uploads()];
        while let Some(folder) = folders.pop() {
            let Ok(entries) = std::fs::read_dir(folder) else { continue };
            for path in entries.map_while(Result::ok).map(|entry| entry.path()) {
                if path.is_dir() { folders.push(path) } else { files.push(path) }
            }
        }
        files
    }

    /// The port that the API listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A request as the administrator of `school`.
    pub fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url)).basic_auth(ADMINISTRATOR, Some(PASSWORD))
    }

    /// A request that says nothing of who asks.
    pub fn anonymous(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    /// Reads a path as the administrator.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(reqwest::Method::GET, path)).await
    }

    /// Sends a request and reads the answer.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        match request.send().await {
            Ok(response) => Answer::read(response).await,
            Err(error) => panic!("no answer: {error:?}{}", self.logs()),
        }
    }

    /// An upload as the administrator, to be sent.
    pub fn upload(&self, path: &str, file: impl AsRef<[u8]>) -> reqwest::RequestBuilder {
        let (content_type, body) = multipart("Content-Type: text/csv\r\n", file.as_ref());
        self.request(reqwest::Method::POST, path).header("content-type", content_type).body(body)
    }

    /// Posts a file of users and waits for the result.
    pub async fn post_users(&self, file: impl AsRef<[u8]>) -> Answer {
        self.send(self.upload("/api/import/users", file)).await
    }

    /// Posts a file of users of a tenant and waits for the result.
    pub async fn post_users_of(&self, tenant: &Tenant, file: impl AsRef<[u8]>) -> Answer {
        self.send(self.upload(&format!("/api/import/users?tenantId={}", tenant.name), file)).await
    }

    /// Posts a file of users of a tenant without waiting for the result; returns where that will be.
    pub async fn submit(&self, tenant: &Tenant, file: impl AsRef<[u8]>) -> String {
        let path = format!("/api/import/users?tenantId={}", tenant.name);
        let answer = self.send(self.upload(&path, file).header("prefer", "respond-async")).await;
        assert_eq!(answer.status, 202, "{}", answer.text());
        answer.header("location").expect("an accepted upload has a location").to_owned()
    }

    /// Waits for the result of an import, for a minute at most.
    pub async fn finished(&self, location: &str) -> Answer {
        self.send(self.request(reqwest::Method::GET, location).header("prefer", "wait=60")).await
    }

    /// A tenant's imports in the order of its line: their ids.
    pub async fn line(&self, tenant: &Tenant) -> Vec<String> {
        let imports = self
            .rows(&format!("select id from imports where tenant_id = '{}' order by place", tenant.id))
            .await;
        imports.iter().filter_map(|import| import["id"].as_str().map(str::to_owned)).collect()
    }

    /// Posts a file of memberships and waits for the result.
    pub async fn post_groups(&self, file: impl AsRef<[u8]>) -> Answer {
        self.send(self.upload("/api/import/userGroups", file)).await
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        for worker in &mut self.workers {
            worker.kill();
        }
        if let Some(api) = &mut self.api {
            api.kill();
        }
        if std::thread::panicking() {
            eprintln!("{}", self.logs());
        }
    }
}

/// See [`Stack::lock_users`].
pub struct Lock {
    _conn: Object<Connection>,
}

/// Whether the service's processes were built so that they can be killed on edges.
pub fn can_be_killed_on_edges() -> bool {
    ["rollcall-api", "rollcall-worker"].iter().all(|name| {
        let binary = std::fs::read(binary_path(name)).expect("a binary can be read");
        binary.windows(EDGE.len()).any(|bytes| bytes == EDGE)
    })
}

/// The variable that arms an edge.
const EDGE: &[u8] = b"ROLLCALL_EDGE";

/// Whether a process has been stopped by a signal, with all its threads.
fn is_frozen(process: u32) -> bool {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{process}/task")) else { return false };
    threads.flatten().all(|thread| {
        let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with('T'))
    })
}

/// Waits until a process has been killed by SIGKILL.
async fn killed(what: &str, process: &mut Process) {
    let ended = eventually(&format!("{what} is killed on its edge"), async || process.ended()).await;
    assert_eq!(ended.signal(), Some(9), "{what} ended in another way: {ended}");
}

/// A URL with another port.
fn at_port(url: &str, port: Option<u16>) -> String {
    let Some(port) = port else { return url.to_owned() };
    let (before, behind) = url.rsplit_once('@').expect("the servers' URLs name a user");
    let (_, path) = behind.split_once('/').expect("the servers' URLs have a path");
    format!("{before}@127.0.0.1:{port}/{path}")
}

fn with(environment: &[(String, String)], more: &[(&str, &str)]) -> Vec<(String, String)> {
    let more = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    environment.iter().cloned().chain(more).collect()
}

/// What the API is told of TLS.
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

/// A hash of [`PASSWORD`]; see [`cheap_hash_of`].
pub fn cheap_hash() -> &'static str {
    static HASH: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    HASH.get_or_init(|| cheap_hash_of(PASSWORD))
}

/// A hash that costs next to nothing to check: a hash carries its parameters.
pub fn cheap_hash_of(password: &str) -> String {
    let params = Params::new(8, 1, 1, None).expect("the least parameters that Argon2 takes");
    let hash: PasswordHash = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password(password.as_bytes())
        .expect("a password can be hashed");
    hash.to_string()
}

/// Resident memory of a process and its peak, in KiB.
pub fn rss_kib(process: u32) -> (u64, u64) {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_whitespace().nth(1)).and_then(|kib| kib.parse().ok()).unwrap_or(0)
    };
    (field("VmRSS:"), field("VmHWM:"))
}

/// A port that nobody listens on now.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port can be had");
    listener.local_addr().expect("it is bound").port()
}

/// The service's binaries lie beside the tests', one or two folders up.
pub fn binary_path(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a process knows its executable");
    own.ancestors()
        .skip(1)
        .take(2)
        .map(|folder: &Path| folder.join(name))
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("{name} is not built: cargo build --workspace --bins"))
}
