//! The tenant's imports: showing and cancelling one, and listing all of them, newest first.

use std::time::Duration;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use rollcall_schema::ids::{ImportId, TenantId};
use rollcall_schema::imports::job_view::JobView;
use rollcall_schema::imports::model::{self, Import};
use rollcall_schema::imports::operator::{self, CancelOutcome};
use rollcall_schema::postgres::error::DatabaseError;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::auth::login::Administrator;
use crate::http::error::ApiError;
use crate::http::import_warning::import_warnings;
use crate::http::prefer::{PREFERENCE_APPLIED, Preference};
use crate::http::response::{ApiResponse, json_body};
use crate::imports::completion::{self, WaitOutcome};
use crate::imports::response;
use crate::state::App;

const DEFAULT_PAGE_SIZE: i64 = 50;
const MAX_PAGE_SIZE: i64 = 500;

/// `GET /api/import/jobs/{id}`
pub async fn show(
    State(app): State<App>,
    administrator: Administrator,
    id: Result<Path<ImportId>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let Ok(Path(id)) = id else { return Err(ApiError::ImportNotFound) };
    let tenant = administrator.tenant.id;
    match Preference::read(&headers) {
        Some(preference @ Preference::Wait(seconds)) => {
            let response = wait(&app, tenant, id, Duration::from_secs(seconds)).await;
            Ok(([(PREFERENCE_APPLIED, preference.applied())], response).into_response())
        }
        // A poll never waits, so `respond-async` is not an option here.
        Some(Preference::RespondAsync) | None => {
            let import = completion::fetch(&app.database, tenant, id).await?;
            Ok(respond(&app, tenant, import).await.into_response())
        }
    }
}

async fn wait(app: &App, tenant: TenantId, id: ImportId, timeout: Duration) -> Result<Response, ApiError> {
    let import = match app.completion.wait(tenant, id, Some(Instant::now() + timeout)).await {
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
        Some(_) => ApiResponse::PollResult(response::result_body(&app.database, tenant, &import).await),
    };
    Ok((import_warnings(&import.warnings), response).into_response())
}

/// `DELETE /api/import/jobs/{id}`: cancels the import. Rows that are already imported stay. The response is the
/// result that every poll gets from now on, also if the import was cancelled before.
pub async fn cancel(
    State(app): State<App>,
    administrator: Administrator,
    id: Result<Path<ImportId>, PathRejection>,
) -> Result<Response, ApiError> {
    let Ok(Path(id)) = id else { return Err(ApiError::ImportNotFound) };
    let tenant = administrator.tenant.id;
    let mut conn = app.database.connection().await?;
    let cancelled = operator::cancel(&mut conn, tenant, id, &administrator.username)
        .await
        .map_err(DatabaseError::from)?;
    drop(conn);
    match cancelled {
        CancelOutcome::Cancelled(import) => {
            tracing::info!(import = %id, by = %administrator.username, "import cancelled");
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

/// `GET /api/import/jobs`
pub async fn list(
    State(app): State<App>,
    administrator: Administrator,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<ApiResponse, ApiError> {
    let Query(query) = query.map_err(|_| {
        ApiError::bad_request("The query is malformed. Give limit and cursor at most once each.")
    })?;
    let (limit, before) = query.parse()?;
    let mut conn = app.database.connection_for(administrator.tenant.id).await?;
    // Fetches one more than the page holds, to see whether there is a next page.
    let mut imports = model::list(&mut conn, administrator.tenant.id, before, limit + 1)
        .await
        .map_err(DatabaseError::from)?;
    drop(conn);
    let page_size = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = imports.len() > page_size;
    imports.truncate(page_size);
    let next = imports.last().filter(|_| more).map(|last| last.queue_position.to_string());
    let tenant = &administrator.tenant.name;
    let jobs = imports.into_iter().map(|import| JobView::new(import, tenant)).collect();
    Ok(ApiResponse::Page(json_body(&Page { jobs, next })))
}

impl ListQuery {
    /// The page's size, and the queue position before which it starts.
    fn parse(&self) -> Result<(i64, Option<i64>), ApiError> {
        let limit = match &self.limit {
            None => DEFAULT_PAGE_SIZE,
            Some(text) => {
                text.parse().ok().filter(|limit| (1..=MAX_PAGE_SIZE).contains(limit)).ok_or_else(|| {
                    ApiError::bad_request(format!("The limit is not a number from 1 to {MAX_PAGE_SIZE}."))
                })?
            }
        };
        let before = match self.cursor.as_deref() {
            None | Some("") => None,
            Some(text) => Some(text.parse().ok().filter(|position| *position > 0).ok_or_else(|| {
                ApiError::bad_request(
                    "The cursor is invalid. Send the next of the page before, or no cursor for the first page.",
                )
            })?),
        };
        Ok((limit, before))
    }
}

#[derive(Serialize)]
struct Page {
    jobs: Vec<JobView>,
    next: Option<String>,
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
        for limit in ["0", "501", "-1", "ten", ""] {
            assert_eq!(parse(Some(limit), None), None, "{limit}");
        }
        for cursor in ["0", "-1", "x", "99999999999999999999"] {
            assert_eq!(parse(None, Some(cursor)), None, "{cursor}");
        }
    }
}
