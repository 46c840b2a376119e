//! What a response says about an import: its result, heartbeats until the result is there, or its progress.

use std::error::Error;
use std::pin::Pin;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use chrono::Utc;
use futures_util::{Stream, StreamExt as _, stream};
use rollcall_schema::ids::{ImportId, TenantId};
use rollcall_schema::imports::job_view::JobView;
use rollcall_schema::imports::model::{Ending, Import, ImportState};
use rollcall_schema::imports::result_json;
use rollcall_schema::postgres::pool::Database;
use serde::Serialize;
use tokio::time::{Interval, MissedTickBehavior, interval};
use utoipa::ToSchema;

use crate::http::error::ApiError;
use crate::http::response::{ApiResponse, json_body};
use crate::imports::completion::{CompletionHub, WaitOutcome};
use crate::imports::slots::{Slot, Slots};

/// Rows of a result that needs no slot: it fits into the socket's buffer, so that no client can keep it in memory.
const SMALL_RESULT_ROWS: u64 = 200;

/// What results are sent with. Cheap to clone.
#[derive(Clone)]
pub struct Results {
    pub database: Database,
    /// How many large results may be sent at once.
    pub slots: Slots,
}

/// The result of a finished import, unless too many are being sent. A result with details is streamed, because it may be
/// larger than memory.
pub async fn result_body(results: &Results, tenant: TenantId, import: &Import) -> Result<Body, ApiError> {
    let slot = if is_large(import) { Some(results.slots.take(tenant).await?) } else { None };
    let pieces = pieces(results.database.clone(), tenant, import, slot);
    if has_details(import) {
        return Ok(Body::from_stream(pieces));
    }
    let mut pieces = Box::pin(pieces);
    match pieces.next().await {
        Some(Ok(only)) => Ok(Body::from(only)),
        // Cannot happen: without details there is exactly one piece, and the database is not queried for it.
        Some(Err(_)) | None => Ok(Body::empty()),
    }
}

fn is_large(import: &Import) -> bool {
    has_details(import) && import.tally.rows() > SMALL_RESULT_ROWS
}

fn has_details(import: &Import) -> bool {
    import.tally.failed > 0 && matches!(import.ending, Some(Ending::Imported) | None)
}

/// The result in pieces. The slot is freed with them.
///
/// If the database fails in the middle, the connection is closed before the body is complete: the client must not take
/// half a result for a whole one.
fn pieces(
    database: Database,
    tenant: TenantId,
    import: &Import,
    slot: Option<Slot>,
) -> impl Stream<Item = Result<Bytes, Truncated>> + Send + use<> {
    result_json::stream(database, tenant, import).map(move |piece| {
        let _held = &slot;
        piece.map_err(|error| {
            let error = &error as &(dyn Error + 'static);
            tracing::warn!(error, "failed to read a result, response truncated");
            Truncated
        })
    })
}

/// The rest of the response cannot be sent.
#[derive(Debug, thiserror::Error)]
#[error("the response was truncated")]
struct Truncated;

/// A space now and one at every `interval` until the import is finished, then its result. Spaces before a JSON text
/// are valid, and keep the connection from being dropped as idle. `waiting` is the client's slot among those that wait.
pub fn heartbeats(
    completion: CompletionHub,
    results: Results,
    every: Duration,
    (tenant, import): (TenantId, ImportId),
    waiting: Option<Slot>,
) -> Body {
    let database = results.database.clone();
    let finished = Box::pin(async move {
        let outcome = completion.wait_to_the_end(tenant, import).await;
        drop(waiting);
        // The response has begun, so it waits for its slot as it waited for the import.
        let slot = match &outcome {
            WaitOutcome::Finished(import) if is_large(import) => results.slots.wait(tenant).await,
            _ => None,
        };
        (outcome, slot)
    });
    let mut beats = interval(every);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    Body::from_stream(stream::try_unfold(ResponseState::Waiting(finished, beats), move |state| {
        let database = database.clone();
        async move {
            match state {
                ResponseState::Waiting(mut finished, mut beats) => tokio::select! {
                    (outcome, slot) = &mut finished => match outcome {
                        WaitOutcome::Finished(import) => {
                            next_piece(Box::pin(pieces(database, tenant, &import, slot))).await
                        }
                        WaitOutcome::Pending(_) | WaitOutcome::Gone => {
                            tracing::info!("response truncated: the import was deleted");
                            Err(Truncated)
                        }
                    },
                    _ = beats.tick() => {
                        Ok(Some((Bytes::from_static(b" "), ResponseState::Waiting(finished, beats))))
                    }
                },
                ResponseState::Result(pieces) => next_piece(pieces).await,
            }
        }
    }))
}

enum ResponseState {
    Waiting(Pin<Box<dyn Future<Output = (WaitOutcome, Option<Slot>)> + Send>>, Interval),
    Result(Pieces),
}

type Pieces = Pin<Box<dyn Stream<Item = Result<Bytes, Truncated>> + Send>>;

async fn next_piece(mut pieces: Pieces) -> Result<Option<(Bytes, ResponseState)>, Truncated> {
    let piece = pieces.next().await.transpose()?;
    Ok(piece.map(|piece| (piece, ResponseState::Result(pieces))))
}

/// An import that is not finished. It has no `success`, so that no script can take it for a result.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Pending {
    #[schema(value_type = uuid::Uuid)]
    id: ImportId,
    state: ImportState,
    summary: String,
    /// In the response to a poll.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    rows: Option<Rows>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Rows {
    processed: u64,
    /// Once the rows were counted.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
}

/// A page of the list of imports, newest first.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JobPage {
    pub jobs: Vec<JobView>,
    /// The cursor of the following page, or null.
    #[schema(required)]
    pub next: Option<String>,
}

/// The response to an accepted upload that does not wait for its result. `import` is `None` if it was not fetched:
/// it is then known to have been queued, and nothing else.
pub fn accepted(id: ImportId, import: Option<&Import>) -> ApiResponse {
    let (state, summary) = import.map_or_else(
        || (ImportState::Queued, "The import is waiting for its turn.".to_owned()),
        |import| (import.state, import.pending_summary()),
    );
    let body = json_body(&Pending { id, state, summary, rows: None, waiting: None });
    ApiResponse::Pending { body, retry_after: import.map_or(Duration::from_secs(1), retry_after) }
}

/// The response to a poll of an import that is not finished.
pub fn progress(import: &Import) -> ApiResponse {
    let rows = Rows { processed: import.tally.rows(), total: import.rows_total };
    let body = json_body(&Pending {
        id: import.id,
        state: import.state,
        summary: import.pending_summary(),
        rows: Some(rows),
        waiting: import.waiting.clone(),
    });
    ApiResponse::Pending { body, retry_after: retry_after(import) }
}

/// From 1 second for an import that was just submitted to 10 seconds for one that takes minutes.
fn retry_after(import: &Import) -> Duration {
    let seconds = (Utc::now() - import.submitted_at).num_seconds() / 10;
    Duration::from_secs(seconds.clamp(1, 10).unsigned_abs())
}
