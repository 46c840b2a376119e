//! A database for each test, copied from a template that is migrated once.

use std::sync::atomic::{AtomicU32, Ordering};

use diesel_async::{AsyncConnection as _, AsyncPgConnection, SimpleAsyncConnection as _};
use rollcall_schema::postgres::address::DatabaseAddress;
use rollcall_schema::postgres::pool::{Database, PoolSizes};
use rollcall_schema::postgres::service_role::ServiceRole;
use tokio::sync::OnceCell;

use super::shared::servers;

/// The service's role on every server, and its password.
const SERVICE_ROLE: &str = "rollcall_service";

/// A migrated database. It is dropped with this value.
#[derive(Debug)]
pub struct TestDatabase {
    /// As the owner of the tables: the test itself.
    pub url: String,
    /// As the service's role: the API and the workers.
    pub service_url: String,
    /// `None` if it goes with its server.
    name: Option<String>,
}

impl TestDatabase {
    /// Creates a database on the run's server.
    pub async fn create() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let template = template().await;
        let name = format!("rollcall_test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        run(&format!("create database {name} template {template}")).await;
        Self { url: url_of(&name), service_url: as_service(&url_of(&name)), name: Some(name) }
    }

    /// Migrates the database of a test's dedicated server.
    pub async fn create_on(server: &str) -> Self {
        migrate(server).await;
        Self { url: server.to_owned(), service_url: as_service(server), name: None }
    }

    pub fn pool(&self) -> Database {
        pool_of(&self.url, 4)
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let Some(name) = self.name.take() else { return };
        // On its own runtime: the test's may be shutting down.
        let dropping = std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime can be built")
                .block_on(run(&format!("drop database if exists {name} with (force)")));
        });
        let _ = dropping.join();
    }
}

/// Migrates a database and gives the service's role its rights.
async fn migrate(url: &str) {
    let database = pool_of(url, 1);
    database.migrate().await.expect("an empty database can be migrated");
    let service = ServiceRole { name: SERVICE_ROLE.to_owned(), password: Some(SERVICE_ROLE.to_owned()) };
    database.grant(&service).await.expect("the service can be given its rights");
}

/// The URL with the service's role instead of the owner.
fn as_service(url: &str) -> String {
    let (_, server) = url.rsplit_once('@').expect("the servers' URLs name a user");
    format!("postgres://{SERVICE_ROLE}:{SERVICE_ROLE}@{server}")
}

fn pool_of(url: &str, size: usize) -> Database {
    let address = DatabaseAddress::parse(url).expect("the servers' URL is good");
    Database::new(address, PoolSizes { connections: size, sessions: size })
}

async fn template() -> &'static str {
    static TEMPLATE: OnceCell<String> = OnceCell::const_new();
    TEMPLATE
        .get_or_init(|| async {
            let name = format!("rollcall_template_{}", std::process::id());
            run(&format!("create database {name}")).await;
            migrate(&url_of(&name)).await;
            name
        })
        .await
}

fn url_of(name: &str) -> String {
    let url = &servers().database_url;
    let (server, rest) =
        url.rsplit_once('/').expect("a database URL ends in a slash and the name of its database");
    let parameters = rest.split_once('?').map_or(String::new(), |(_, parameters)| format!("?{parameters}"));
    format!("{server}/{name}{parameters}")
}

async fn run(statement: &str) {
    let url = tokio::task::spawn_blocking(|| servers().database_url.clone()).await.expect("servers start");
    let mut conn = AsyncPgConnection::establish(&url).await.expect("the database server accepts connections");
    conn.batch_execute(statement).await.expect("databases can be created and dropped");
}
