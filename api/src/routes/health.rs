//! Whether the process is alive, and whether it can accept imports. For probes: no login is needed, and the responses
//! reveal nothing that is not public.

use axum::extract::State;
use serde::Serialize;

use crate::http::response::{ApiResponse, json_body};
use crate::imports::readiness::CACHE_TTL;
use crate::openapi::{responses, tags};
use crate::state::App;

/// Whether the process lives
#[utoipa::path(
    get, path = "/health", operation_id = "live", tag = tags::HEALTH, responses(responses::Live), security(())
)]
pub async fn live() -> ApiResponse {
    #[derive(Serialize)]
    struct Alive {
        alive: bool,
    }
    ApiResponse::Healthy(json_body(&Alive { alive: true }))
}

/// Whether uploads are accepted
#[utoipa::path(
    get, path = "/ready", operation_id = "ready", tag = tags::HEALTH, responses(responses::Ready), security(())
)]
pub async fn ready(State(app): State<App>) -> ApiResponse {
    let readiness = app.readiness.run().await;
    let body = json_body(&readiness);
    if readiness.ready {
        ApiResponse::Healthy(body)
    } else {
        ApiResponse::NotReady { body, retry_after: CACHE_TTL }
    }
}
