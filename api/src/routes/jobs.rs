//! The tenant's imports: showing and cancelling one, and listing all of them, newest first.

use std::time::Duration;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use rollcall_schema::ids::{ImportId, TenantId};
use rollcall_schema::imports::job_view::JobView;
use rollcall_schema::imports::model::{self, Import, ImportState};
use rollcall_schema::imports::operator::{self, CancelOutcome};
use rollcall_schema::postgres::error::DatabaseError;
use serde::Deserialize;
use tokio::time::Instant;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};

use crate::auth::caller::Caller;
use crate::auth::login::Administrator;
use crate::http::error::ApiError;
use crate::http::import_warning::import_warnings;
use crate::http::logged::logged;
use crate::http::prefer::{PREFERENCE_APPLIED, Preference};
use crate::http::response::{ApiResponse, json_body};
use crate::imports::completion::{self, WaitOutcome};
use crate::imports::response::{self, JobPage};
use crate::openapi::{parameters, responses, tags};
use crate::state::App;

const DEFAULT_PAGE_SIZE: i64 = 50;
const MAX_PAGE_SIZE: i64 = 500;

/// The result of an import, or how far it is
#[utoipa::path(
    get, path = "/api/import/jobs/{id}", operation_id = "getImport", tag = tags::IMPORTS,
    params(parameters::OfPolls), responses(responses::Poll)
)]
pub async fn show(
    State(app): State<App>,
    caller: Caller,
    id: Result<Path<ImportId>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let Ok(Path(id)) = id else { return Err(ApiError::ImportNotFound) };
    let tenant = caller.tenant.id;
    let import = completion::fetch(&app.database, tenant, id).await?;
    // To a token, an import that it did not submit is none.
    let import = import.filter(|import| caller.may_read(import.submitted_token));
    // A poll never waits, so `respond-async` is not an option here.
    match (Preference::read(&headers), &import) {
        (Some(preference @ Preference::Wait(seconds)), Some(found)) => {
            let response = if found.state == ImportState::Finished {
                respond(&app, tenant, import).await
            } else {
                // Too many wait already: this poll is answered as it stands, as if it had no preference.
                let Some(_waiting) = app.waiting.try_take(tenant) else {
                    return respond(&app, tenant, import).await;
                };
                wait(&app, tenant, id, Duration::from_secs(seconds)).await
            };
            Ok(([(PREFERENCE_APPLIED, preference.applied())], response).into_response())
        }
        _ => Ok(respond(&app, tenant, import).await.into_response()),
    }
}

async fn wait(app: &App, tenant: TenantId, id: ImportId, timeout: Duration) -> Result<Response, ApiError> {
    let import = match app.completion.wait(tenant, id, Instant::now() + timeout).await {
        WaitOutcome::Finished(import) | WaitOutcome::Pending(Some(import)) => Some(*import),
        WaitOutcome::Pending(None) => {
            return Err(ApiError::Unavailable("timed out waiting for the database".into()));
        }
        WaitOutcome::Gone => None,
    };
    respond(app, tenant, import).await
}

async fn respond(app: &App, tenant: TenantId, import: Option<Import>) -> Result<Response, ApiError> {
    let import = import.ok_or(ApiError::ImportNotFound)?;
    let response = match import.ending {
        None => response::progress(&import),
        Some(_) => ApiResponse::PollResult(response::result_body(&app.results, tenant, &import).await?),
    };
    Ok((import_warnings(&import.warnings), response).into_response())
}

/// Cancels an import
///
/// Rows that are already imported stay. The response is the result that the import has from now on, also to a second
/// DELETE.
#[utoipa::path(
    delete, path = "/api/import/jobs/{id}", operation_id = "cancelImport", tag = tags::IMPORTS,
    params(parameters::OfImports), responses(responses::Cancellation)
)]
pub async fn cancel(
    State(app): State<App>,
    administrator: Administrator,
    id: Result<Path<ImportId>, PathRejection>,
) -> Result<Response, ApiError> {
    let Ok(Path(id)) = id else { return Err(ApiError::ImportNotFound) };
    let tenant = administrator.tenant.id;
    let mut conn = app.database.connection().await?;
    let cancelled =
        operator::cancel(&mut conn, tenant, id, &administrator.actor).await.map_err(DatabaseError::from)?;
    drop(conn);
    match cancelled {
        CancelOutcome::Cancelled(import) => {
            tracing::info!(import = %id, by = %logged(&administrator.username), "import cancelled");
            app.publisher.publish_next(tenant);
            respond(&app, tenant, Some(import)).await
        }
        CancelOutcome::TooLate(_) => Err(ApiError::AlreadyEnded),
        CancelOutcome::NotFound => Err(ApiError::ImportNotFound),
    }
}

/// The query parameters of a listing.
#[derive(Debug, Deserialize)]
pub struct ListQuery {
    limit: Option<String>,
    cursor: Option<String>,
}

impl IntoParams for ListQuery {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![
            parameters::tenant_id(),
            parameters::limit(DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE),
            parameters::cursor(),
        ]
    }
}

/// The tenant's imports, newest first
#[utoipa::path(
    get, path = "/api/import/jobs", operation_id = "listImports", tag = tags::IMPORTS,
    params(ListQuery), responses(responses::List)
)]
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<ApiResponse, ApiError> {
    let Query(query) = query.map_err(|_| {
        ApiError::bad_request("The query is malformed. Give limit and cursor at most once each.")
    })?;
    let (limit, before) = query.parse()?;
    let mut conn = app.database.connection_for(caller.tenant.id).await?;
    // Fetches one more than the page holds, to see whether there is a next page.
    let mut imports = model::list_submitted(&mut conn, caller.tenant.id, caller.token(), before, limit + 1)
        .await
        .map_err(DatabaseError::from)?;
    drop(conn);
    let page_size = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = imports.len() > page_size;
    imports.truncate(page_size);
    let next = imports.last().filter(|_| more).map(|last| last.queue_position.to_string());
    let tenant = &caller.tenant.name;
    let jobs = imports.into_iter().map(|import| JobView::new(import, tenant)).collect();
    Ok(ApiResponse::Page(json_body(&JobPage { jobs, next })))
}

impl ListQuery {
    /// The page's size, and the queue position before which it starts.
    fn parse(&self) -> Result<(i64, Option<i64>), ApiError> {
        let limit = match &self.limit {
            None => DEFAULT_PAGE_SIZE,
            Some(text) => {
                number(text).filter(|limit| (1..=MAX_PAGE_SIZE).contains(limit)).ok_or_else(|| {
                    ApiError::bad_request(format!("The limit is not a number from 1 to {MAX_PAGE_SIZE}."))
                })?
            }
        };
        let before = match self.cursor.as_deref() {
            None | Some("") => None,
            Some(text) => Some(number(text).ok_or_else(|| {
                ApiError::bad_request(
                    "The cursor is invalid. Send the next of the page before, or no cursor for the first page.",
                )
            })?),
        };
        Ok((limit, before))
    }
}

/// A positive number as the document describes it: digits that do not begin with a zero, and at most eighteen.
fn number(text: &str) -> Option<i64> {
    let digits = !text.starts_with('0') && text.len() <= 18 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(limit: Option<&str>, cursor: Option<&str>) -> Option<(i64, Option<i64>)> {
        ListQuery { limit: limit.map(str::to_owned), cursor: cursor.map(str::to_owned) }.parse().ok()
    }

    #[test]
    fn limit_and_cursor_are_numbers() {
        assert_eq!(parse(None, None), Some((50, None)));
        assert_eq!(parse(Some("500"), Some("7")), Some((500, Some(7))));
        assert_eq!(parse(None, Some("")), Some((50, None)));
        for limit in ["0", "501", "-1", "+5", "05", "ten", ""] {
            assert_eq!(parse(Some(limit), None), None, "{limit}");
        }
        for cursor in ["0", "-1", "+7", "07", "x", "1000000000000000000", "99999999999999999999"] {
            assert_eq!(parse(None, Some(cursor)), None, "{cursor}");
        }
    }
}
