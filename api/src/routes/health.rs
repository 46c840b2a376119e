//! Whether the process lives, and whether it can serve imports. For probes; no login, and nothing told that an
//! outsider may not know.

use std::time::Duration;

use axum::extract::State;
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::http::response::{ApiResponse, json_body};
use crate::state::App;

/// How long a finding is told again: anybody may ask, and each finding costs a write to the store.
const CACHE_TTL: Duration = Duration::from_secs(2);
/// How long a part may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// What was found last, and when.
pub type Checked = Mutex<Option<(Instant, Readiness)>>;

/// Which parts answer.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Readiness {
    ready: bool,
    database: Finding,
    uploads: Finding,
    rabbitmq: Finding,
}

/// Whether a part answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Finding {
    Ok,
    Away,
}

/// `GET /health`
pub async fn live() -> ApiResponse {
    #[derive(Serialize)]
    struct Alive {
        alive: bool,
    }
    ApiResponse::Healthy(json_body(&Alive { alive: true }))
}

/// `GET /ready`
pub async fn ready(State(app): State<App>) -> ApiResponse {
    let found = check(&app).await;
    let body = json_body(&found);
    if found.ready { ApiResponse::Healthy(body) } else { ApiResponse::NotReady(body) }
}

async fn check(app: &App) -> Readiness {
    // Held while checking: whoever asks meanwhile is told the same.
    let mut checked = app.checked.lock().await;
    if let Some((when, found)) = *checked
        && when.elapsed() < CACHE_TTL
    {
        return found;
    }
    let (database, uploads, rabbitmq) = tokio::join!(
        finding(app.database.check()),
        finding(app.uploads.check()),
        finding(app.publisher.check())
    );
    // Without RabbitMQ uploads are taken as ever: they run when it is back.
    let ready = database == Finding::Ok && uploads == Finding::Ok;
    let found = Readiness { ready, database, uploads, rabbitmq };
    *checked = Some((Instant::now(), found));
    found
}

async fn finding<E>(check: impl Future<Output = Result<(), E>>) -> Finding {
    match timeout(PATIENCE, check).await {
        Ok(Ok(())) => Finding::Ok,
        Ok(Err(_)) | Err(_) => Finding::Away,
    }
}
