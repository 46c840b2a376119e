//! The two addresses that files are sent to.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse as _, Response};
use rollcall_schema::ids::{ImportId, TenantId};
use rollcall_schema::import::{Ending, Endpoint};
use tokio::time::Instant;

use crate::auth::login::Administrator;
use crate::http::error::ApiError;
use crate::http::prefer::{PREFERENCE_APPLIED, Preference};
use crate::http::response::ApiResponse;
use crate::imports::accept::{self, Accepted};
use crate::imports::completion::{self, WaitOutcome};
use crate::imports::response;
use crate::state::App;

/// `POST /api/import/users`
pub async fn users(
    State(app): State<App>,
    administrator: Administrator,
    request: Request,
) -> Result<Response, ApiError> {
    import(app, administrator, Endpoint::Users, request).await
}

/// `POST /api/import/userGroups`
pub async fn user_groups(
    State(app): State<App>,
    administrator: Administrator,
    request: Request,
) -> Result<Response, ApiError> {
    import(app, administrator, Endpoint::UserGroups, request).await
}

async fn import(
    app: App,
    administrator: Administrator,
    endpoint: Endpoint,
    request: Request,
) -> Result<Response, ApiError> {
    let preference = Preference::read(request.headers());
    let tenant = administrator.tenant.id;
    let accepted = accept::accept(&app, administrator, endpoint, request).await?;
    let answer = answer(&app, tenant, accepted, preference).await;
    Ok((headers(accepted.import, preference), answer).into_response())
}

/// The result if it comes soon enough; else what the client prefers to it, or heartbeats until it comes.
async fn answer(
    app: &App,
    tenant: TenantId,
    Accepted { import: id, duplicate }: Accepted,
    preference: Option<Preference>,
) -> Result<ApiResponse, ApiError> {
    let patience = match preference {
        None => app.limits.heartbeat_after,
        Some(Preference::Wait(seconds)) => Duration::from_secs(seconds),
        // Not even a look: it was just put into line, and that is the answer.
        Some(Preference::RespondAsync) if !duplicate => return Ok(response::accepted(id, None)),
        Some(Preference::RespondAsync) => {
            let import = completion::fetch(&app.database, tenant, id).await?;
            return Ok(response::accepted(id, import.as_ref()));
        }
    };
    match completion::wait(app, tenant, id, Some(Instant::now() + patience)).await {
        WaitOutcome::Finished(import) => {
            let body = response::result_body(app, tenant, &import).await;
            // Whatever is finished has an ending.
            Ok(ApiResponse::UploadResult(import.ending.unwrap_or(Ending::Imported), body))
        }
        WaitOutcome::Pending(_) if preference.is_none() && !app.shutdown.is_cancelled() => {
            Ok(ApiResponse::Heartbeats(response::heartbeats(app, tenant, id)))
        }
        WaitOutcome::Pending(import) => Ok(response::accepted(id, import.as_deref())),
        WaitOutcome::Gone => Err(ApiError::ImportNotFound),
    }
}

/// What every answer to an accepted upload carries.
fn headers(id: ImportId, preference: Option<Preference>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let location = HeaderValue::try_from(format!("/api/import/jobs/{id}"))
        .expect("an id is hexadecimal digits and dashes");
    headers.insert(LOCATION, location);
    if let Some(preference) = preference {
        headers.insert(PREFERENCE_APPLIED, preference.applied());
    }
    headers
}
