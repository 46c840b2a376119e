//! How an import is told of: its result, the heartbeats before it, or how far it is.

use std::error::Error;
use std::pin::Pin;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use chrono::Utc;
use futures_util::{Stream, StreamExt as _, stream};
use rollcall_schema::database::DatabaseError;
use rollcall_schema::ids::{ImportId, TenantId};
use rollcall_schema::import::{Ending, Import, State};
use rollcall_schema::result;
use serde::Serialize;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::http::response::{ApiResponse, json_body};
use crate::imports::completion::{self, WaitOutcome};
use crate::state::App;

/// The result of a finished import. One with details is told piece by piece: it may be larger than the memory.
pub async fn result_body(app: &App, tenant: TenantId, import: &Import) -> Body {
    let pieces = log_failures(result::stream(app.database.clone(), tenant, import));
    if has_details(import) {
        return Body::from_stream(pieces);
    }
    let mut pieces = Box::pin(pieces);
    match pieces.next().await {
        Some(Ok(whole)) => Body::from(whole),
        // Without details nothing is asked of the database, so there is always the one piece.
        Some(Err(_)) | None => Body::empty(),
    }
}

fn has_details(import: &Import) -> bool {
    import.tally.failed > 0 && matches!(import.ending, Some(Ending::Imported) | None)
}

/// The pieces as they are. If the database fails in the middle the answer is cut off: half a result must not look
/// like a whole one.
fn log_failures(
    pieces: impl Stream<Item = Result<Bytes, DatabaseError>>,
) -> impl Stream<Item = Result<Bytes, Truncated>> {
    pieces.map(|piece| {
        piece.map_err(|error| {
            let error = &error as &(dyn Error + 'static);
            tracing::warn!(error, "a result was cut off");
            Truncated
        })
    })
}

/// The rest of an answer cannot be told.
#[derive(Debug, thiserror::Error)]
#[error("the answer was cut off")]
struct Truncated;

/// A space at once and then one every so often until the import is finished, then its result. Spaces before a JSON
/// text are part of the grammar, and keep the connection from being dropped as idle.
pub fn heartbeats(app: &App, tenant: TenantId, import: ImportId) -> Body {
    let shared = app.clone();
    let finished = Box::pin(async move { completion::wait(&shared, tenant, import, None).await });
    let mut beats = interval(app.limits.heartbeat_every);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let app = app.clone();
    Body::from_stream(stream::try_unfold(ResponseState::Waiting(finished, beats), move |state| {
        let app = app.clone();
        async move {
            match state {
                ResponseState::Waiting(mut finished, mut beats) => tokio::select! {
                    waited = &mut finished => match waited {
                        WaitOutcome::Finished(import) => {
                            next_piece(Box::pin(log_failures(result::stream(app.database.clone(), tenant, &import)))).await
                        }
                        WaitOutcome::Pending(_) | WaitOutcome::Gone => {
                            tracing::info!("a waiting client was cut off: the service stops, or the import was removed");
                            Err(Truncated)
                        }
                    },
                    _ = beats.tick() => Ok(Some((Bytes::from_static(b" "), ResponseState::Waiting(finished, beats)))),
                },
                ResponseState::Result(pieces) => next_piece(pieces).await,
            }
        }
    }))
}

enum ResponseState {
    Waiting(Pin<Box<dyn Future<Output = WaitOutcome> + Send>>, Interval),
    Result(Pieces),
}

type Pieces = Pin<Box<dyn Stream<Item = Result<Bytes, Truncated>> + Send>>;

async fn next_piece(mut pieces: Pieces) -> Result<Option<(Bytes, ResponseState)>, Truncated> {
    let piece = pieces.next().await.transpose()?;
    Ok(piece.map(|piece| (piece, ResponseState::Result(pieces))))
}

/// What is known of an import that is not finished.
#[derive(Serialize)]
struct Pending {
    id: ImportId,
    state: State,
    summary: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<Rows>,
}

#[derive(Serialize)]
struct Rows {
    processed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
}

/// How far an import is, to the upload that did not wait for it. `import` is nothing while the database is away:
/// then it was just accepted, and that much is known.
pub fn accepted(id: ImportId, import: Option<&Import>) -> ApiResponse {
    let (state, summary) = import.map_or_else(
        || (State::Queued, "The import is waiting for its turn.".to_owned()),
        |import| (import.state, import.pending_summary()),
    );
    let body = json_body(&Pending { id, state, summary, rows: None });
    ApiResponse::Pending { body, retry_after: import.map_or(Duration::from_secs(1), retry_after) }
}

/// How far an import is, to whoever asks for it.
pub fn progress(import: &Import) -> ApiResponse {
    let rows = Rows { processed: import.tally.rows(), total: import.rows_total };
    let body = json_body(&Pending {
        id: import.id,
        state: import.state,
        summary: import.pending_summary(),
        rows: Some(rows),
    });
    ApiResponse::Pending { body, retry_after: retry_after(import) }
}

/// From one second for an import that was just submitted to ten for one that takes minutes.
fn retry_after(import: &Import) -> Duration {
    let seconds = (Utc::now() - import.submitted_at).num_seconds() / 10;
    Duration::from_secs(seconds.clamp(1, 10).unsigned_abs())
}
