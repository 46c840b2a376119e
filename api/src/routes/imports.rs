//! The two URLs that files are uploaded to.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse as _, Response};
use rollcall_schema::ids::{ImportId, TenantId};
use rollcall_schema::imports::model::{Ending, Endpoint, Import};
use tokio::time::Instant;

use crate::auth::caller::Caller;
use crate::http::error::ApiError;
use crate::http::import_warning::import_warnings;
use crate::http::prefer::{PREFERENCE_APPLIED, Preference};
use crate::http::response::ApiResponse;
use crate::imports::accept::Accepted;
use crate::imports::completion::{self, WaitOutcome};
use crate::imports::response;
use crate::imports::slots::Slot;
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
pub async fn users(State(app): State<App>, caller: Caller, request: Request) -> Result<Response, ApiError> {
    upload(app, caller, Endpoint::Users, request).await
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
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    upload(app, caller, Endpoint::UserGroups, request).await
}

async fn upload(
    app: App,
    caller: Caller,
    endpoint: Endpoint,
    request: Request,
) -> Result<Response, ApiError> {
    let preference = Preference::read(request.headers());
    let tenant = caller.tenant.id;
    // Taken before the file is read: once that is accepted it cannot be refused any more.
    let waiting = match preference {
        Some(Preference::RespondAsync) => None,
        Some(Preference::Wait(_)) | None => Some(app.waiting.take(tenant).await?),
    };
    let accepted = app.acceptor.accept(caller, endpoint, request).await?;
    let mut headers = headers(accepted.import, preference);
    let response = match respond(&app, tenant, accepted, preference, waiting).await {
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
    waiting: Option<Slot>,
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
    let heartbeats = |waiting| {
        let (completion, results) = (app.completion.clone(), app.results.clone());
        let every = app.limits.heartbeat_every;
        ApiResponse::Heartbeats(response::heartbeats(completion, results, every, (tenant, id), waiting))
    };
    match app.completion.wait(tenant, id, Instant::now() + timeout).await {
        WaitOutcome::Finished(import) => match response::result_body(&app.results, tenant, &import).await {
            Ok(body) => {
                // A finished import always has an ending.
                let ending = import.ending.clone().unwrap_or(Ending::Imported);
                Ok((ApiResponse::UploadResult(ending, body), Some(import)))
            }
            // Too many results are being sent. The file was accepted, so this is no refusal: the client waits on.
            Err(_) => Ok((heartbeats(waiting), Some(import))),
        },
        WaitOutcome::Pending(import) if preference.is_none() && !app.completion.is_draining() => {
            Ok((heartbeats(waiting), import))
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
