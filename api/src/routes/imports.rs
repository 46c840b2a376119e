//! The two URLs that files are uploaded to.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse as _, Response};
use rollcall_schema::ids::{ImportId, TenantId};
use rollcall_schema::imports::model::{Ending, Endpoint, Import};
use tokio::time::Instant;

use crate::auth::login::Administrator;
use crate::http::error::ApiError;
use crate::http::import_warning::import_warnings;
use crate::http::prefer::{PREFERENCE_APPLIED, Preference};
use crate::http::response::ApiResponse;
use crate::imports::accept::Accepted;
use crate::imports::completion::{self, WaitOutcome};
use crate::imports::response;
use crate::openapi::schemas::UploadForm;
use crate::openapi::{parameters, responses, tags};
use crate::state::App;

/// Imports users
///
/// A CSV file with a column `username` and any of the other columns of users. A file with the columns of a group import is run
/// as one.
#[utoipa::path(
    post, path = "/api/import/users", operation_id = "importUsers", tag = tags::IMPORTS,
    params(parameters::OfUploads),
    request_body(
        content = UploadForm, content_type = "multipart/form-data", encoding(("file" = (content_type = "text/csv")))
    ),
    responses(responses::Upload)
)]
pub async fn users(
    State(app): State<App>,
    administrator: Administrator,
    request: Request,
) -> Result<Response, ApiError> {
    upload(app, administrator, Endpoint::Users, request).await
}

/// Adds users to groups
///
/// A CSV file with the columns `username`, `library-group` and `system-group`.
#[utoipa::path(
    post, path = "/api/import/userGroups", operation_id = "importUserGroups", tag = tags::IMPORTS,
    params(parameters::OfUploads),
    request_body(
        content = UploadForm, content_type = "multipart/form-data", encoding(("file" = (content_type = "text/csv")))
    ),
    responses(responses::Upload)
)]
pub async fn user_groups(
    State(app): State<App>,
    administrator: Administrator,
    request: Request,
) -> Result<Response, ApiError> {
    upload(app, administrator, Endpoint::UserGroups, request).await
}

async fn upload(
    app: App,
    administrator: Administrator,
    endpoint: Endpoint,
    request: Request,
) -> Result<Response, ApiError> {
    let preference = Preference::read(request.headers());
    let tenant = administrator.tenant.id;
    let accepted = app.acceptor.accept(administrator, endpoint, request).await?;
    let mut headers = headers(accepted.import, preference);
    let response = match respond(&app, tenant, accepted, preference).await {
        Ok((response, import)) => {
            headers.extend(import_warnings(import.as_deref().map_or(&[], |import| &import.warnings)));
            Ok(response)
        }
        Err(error) => Err(error),
    };
    Ok((headers, response).into_response())
}

/// The result if it is there in time. Otherwise 202 if the client prefers not to wait longer, else heartbeats until
/// the result is there. Also returns the import as far as it is known.
async fn respond(
    app: &App,
    tenant: TenantId,
    Accepted { import: id, duplicate }: Accepted,
    preference: Option<Preference>,
) -> Result<(ApiResponse, Option<Box<Import>>), ApiError> {
    let timeout = match preference {
        None => app.limits.heartbeat_after,
        Some(Preference::Wait(seconds)) => Duration::from_secs(seconds),
        // Not fetched: a new import has only just been queued.
        Some(Preference::RespondAsync) if !duplicate => return Ok((response::accepted(id, None), None)),
        Some(Preference::RespondAsync) => {
            let import = completion::fetch(&app.database, tenant, id).await?.map(Box::new);
            return Ok((response::accepted(id, import.as_deref()), import));
        }
    };
    match app.completion.wait(tenant, id, Some(Instant::now() + timeout)).await {
        WaitOutcome::Finished(import) => {
            let body = response::result_body(&app.database, tenant, &import).await;
            // A finished import always has an ending.
            let ending = import.ending.clone().unwrap_or(Ending::Imported);
            Ok((ApiResponse::UploadResult(ending, body), Some(import)))
        }
        WaitOutcome::Pending(import) if preference.is_none() && !app.completion.is_shutting_down() => {
            let (completion, database) = (app.completion.clone(), app.database.clone());
            let every = app.limits.heartbeat_every;
            let heartbeats = response::heartbeats(completion, database, every, tenant, id);
            Ok((ApiResponse::Heartbeats(heartbeats), import))
        }
        WaitOutcome::Pending(import) => Ok((response::accepted(id, import.as_deref()), import)),
        WaitOutcome::Gone => Err(ApiError::ImportNotFound),
    }
}

/// The headers of every response to an accepted upload.
fn headers(id: ImportId, preference: Option<Preference>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let location = HeaderValue::try_from(format!("/api/import/jobs/{id}"))
        .expect("a UUID is hexadecimal digits and dashes");
    headers.insert(LOCATION, location);
    if let Some(preference) = preference {
        headers.insert(PREFERENCE_APPLIED, preference.applied());
    }
    headers
}
