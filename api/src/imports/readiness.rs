//! Whether the process can accept imports now: whether the services that it depends on can be reached.

use std::time::Duration;

use rollcall_schema::postgres::pool::Database;
use rollcall_schema::uploads::UploadStore;
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use utoipa::ToSchema;

use crate::imports::publish::WakeUpPublisher;

/// How long a result is reused. The endpoint needs no login, and each check writes to the upload store.
const CACHE_TTL: Duration = Duration::from_secs(2);
const CHECK_TIMEOUT: Duration = Duration::from_secs(3);

/// Which dependencies can be reached.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Readiness {
    /// Whether uploads are accepted. RabbitMQ does not count.
    pub ready: bool,
    database: Dependency,
    uploads: Dependency,
    rabbitmq: Dependency,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
enum Dependency {
    #[serde(rename = "ok")]
    Reachable,
    #[serde(rename = "away")]
    Unreachable,
}

/// Checks the dependencies, and caches the result for a moment.
pub struct ReadinessCheck {
    database: Database,
    uploads: UploadStore,
    publisher: WakeUpPublisher,
    latest: Mutex<Option<(Instant, Readiness)>>,
}

impl ReadinessCheck {
    pub fn new(database: Database, uploads: UploadStore, publisher: WakeUpPublisher) -> Self {
        Self { database, uploads, publisher, latest: Mutex::default() }
    }

    pub async fn run(&self) -> Readiness {
        // Locked during the check, so that concurrent requests share one result.
        let mut latest = self.latest.lock().await;
        if let Some((checked, readiness)) = *latest
            && checked.elapsed() < CACHE_TTL
        {
            return readiness;
        }
        let (database, uploads, rabbitmq) = tokio::join!(
            reach(self.database.check()),
            reach(self.uploads.check()),
            reach(self.publisher.check())
        );
        // RabbitMQ does not count: uploads are accepted without it, and imported once it is back.
        let ready = database == Dependency::Reachable && uploads == Dependency::Reachable;
        let readiness = Readiness { ready, database, uploads, rabbitmq };
        *latest = Some((Instant::now(), readiness));
        readiness
    }
}

async fn reach<E>(check: impl Future<Output = Result<(), E>>) -> Dependency {
    match timeout(CHECK_TIMEOUT, check).await {
        Ok(Ok(())) => Dependency::Reachable,
        Ok(Err(_)) | Err(_) => Dependency::Unreachable,
    }
}
