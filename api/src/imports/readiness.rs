//! Whether the process can accept imports now: whether the services that it depends on can be reached.

use std::time::Duration;

use rollcall_schema::postgres::error::DatabaseError;
use rollcall_schema::postgres::lock_probe::LockProbe;
use rollcall_schema::postgres::pool::Database;
use rollcall_schema::uploads::UploadStore;
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use utoipa::ToSchema;

use crate::imports::publish::WakeUpPublisher;

/// How long a result is reused. The endpoint needs no login, and each check writes to the upload store.
pub const CACHE_TTL: Duration = Duration::from_secs(2);
const CHECK_TIMEOUT: Duration = Duration::from_secs(3);

/// Which dependencies can be used.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Readiness {
    /// Whether uploads are accepted. RabbitMQ does not count.
    pub ready: bool,
    database: Dependency,
    /// The tables that another session has locked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    locked: Vec<String>,
    uploads: Dependency,
    rabbitmq: Dependency,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
enum Dependency {
    #[serde(rename = "ok")]
    Reachable,
    #[serde(rename = "locked")]
    Locked,
    #[serde(rename = "away")]
    Unreachable,
}

/// Checks the dependencies, and caches the result for a moment.
pub struct ReadinessCheck {
    database: Database,
    uploads: UploadStore,
    publisher: WakeUpPublisher,
    latest: Mutex<Latest>,
}

#[derive(Default)]
struct Latest {
    result: Option<(Instant, Readiness)>,
    /// A connection outside the pools: while a table is locked, every pooled one may be waiting for it.
    probe: Option<LockProbe>,
}

impl ReadinessCheck {
    pub fn new(database: Database, uploads: UploadStore, publisher: WakeUpPublisher) -> Self {
        Self { database, uploads, publisher, latest: Mutex::default() }
    }

    pub async fn run(&self) -> Readiness {
        // Locked during the check, so that concurrent requests share one result.
        let mut latest = self.latest.lock().await;
        if let Some((checked, readiness)) = &latest.result
            && checked.elapsed() < CACHE_TTL
        {
            return readiness.clone();
        }
        let ((database, locked), uploads, rabbitmq) = tokio::join!(
            self.check_database(&mut latest.probe),
            reach(self.uploads.check()),
            reach(self.publisher.check())
        );
        // RabbitMQ does not count: uploads are accepted without it, and imported once it is back.
        let ready = database == Dependency::Reachable && uploads == Dependency::Reachable;
        let readiness = Readiness { ready, database, locked, uploads, rabbitmq };
        latest.result = Some((Instant::now(), readiness.clone()));
        readiness
    }

    async fn check_database(&self, probe: &mut Option<LockProbe>) -> (Dependency, Vec<String>) {
        let check = async {
            let connected = match probe.take() {
                Some(connected) if connected.is_open() => connected,
                _ => self.database.lock_probe().await?,
            };
            let locked = connected.locked_tables().await?;
            *probe = Some(connected);
            Ok::<_, DatabaseError>(locked)
        };
        match timeout(CHECK_TIMEOUT, check).await {
            Ok(Ok(None)) => (Dependency::Reachable, Vec::new()),
            Ok(Ok(Some(tables))) => (Dependency::Locked, tables),
            Ok(Err(_)) | Err(_) => (Dependency::Unreachable, Vec::new()),
        }
    }
}

async fn reach<E>(check: impl Future<Output = Result<(), E>>) -> Dependency {
    match timeout(CHECK_TIMEOUT, check).await {
        Ok(Ok(())) => Dependency::Reachable,
        Ok(Err(_)) | Err(_) => Dependency::Unreachable,
    }
}
