//! An import as `GET /api/import/jobs` and `rollcall jobs --json` show it: one view, with the same keys.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::model::{Ending, Endpoint, Import, ImportKind, ImportState};
use super::result_json::summary;
use super::tally::Tally;
use crate::ids::ImportId;

/// An import as it is shown. Scripts rely on the keys.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JobView {
    #[schema(value_type = uuid::Uuid)]
    pub id: ImportId,
    pub tenant: String,
    pub state: ImportState,
    /// `imported`, `refused`, `abandoned` or `cancelled` once it has finished, else null.
    #[schema(required, pattern = "^(imported|refused|abandoned|cancelled)$")]
    pub ending: Option<&'static str>,
    /// The sentence that the client reads.
    pub summary: String,
    /// Why it makes no progress, if it makes none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<String>,
    pub endpoint: Endpoint,
    #[schema(required)]
    pub kind: Option<ImportKind>,
    pub submitted_by: String,
    pub submitted_at: DateTime<Utc>,
    #[schema(required)]
    pub started_at: Option<DateTime<Utc>>,
    #[schema(required)]
    pub finished_at: Option<DateTime<Utc>>,
    pub rows: RowCounts,
    #[schema(minimum = 0)]
    pub bytes: i64,
    #[schema(required)]
    pub encoding: Option<String>,
    #[schema(required)]
    pub delimiter: Option<String>,
    pub ignored_columns: Vec<String>,
    /// What the sender should know although no row failed for it, as sentences.
    pub warnings: Vec<String>,
    /// How often a worker has claimed it.
    #[schema(minimum = 0)]
    pub attempt: i32,
    /// 32 hexadecimal digits.
    #[schema(required, pattern = "^[0-9a-f]{32}$")]
    pub trace_id: Option<String>,
}

/// How far an import is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RowCounts {
    pub processed: u64,
    /// Null until the rows were counted.
    #[schema(required)]
    pub total: Option<u64>,
    pub created: u64,
    pub updated: u64,
    pub failed: u64,
}

impl JobView {
    pub fn new(import: Import, tenant: &str) -> Self {
        let summary = match &import.ending {
            None => import.pending_summary(),
            Some(Ending::Imported) => summary(import.tally),
            Some(Ending::Refused(sentence) | Ending::Abandoned(sentence) | Ending::Cancelled(sentence)) => {
                sentence.clone()
            }
        };
        let Tally { created, updated, failed } = import.tally;
        Self {
            id: import.id,
            tenant: tenant.to_owned(),
            state: import.state,
            ending: import.ending.as_ref().map(Ending::as_str),
            summary,
            waiting: import.waiting,
            endpoint: import.endpoint,
            kind: import.kind,
            submitted_by: import.submitted_as,
            submitted_at: import.submitted_at,
            started_at: import.started_at,
            finished_at: import.finished_at,
            rows: RowCounts {
                processed: import.tally.rows(),
                total: import.rows_total,
                created,
                updated,
                failed,
            },
            bytes: import.upload_bytes,
            encoding: import.encoding,
            delimiter: import.delimiter,
            ignored_columns: import.ignored_columns,
            warnings: import.warnings,
            attempt: import.attempt,
            trace_id: import.traceparent.as_deref().and_then(trace_id),
        }
    }
}

impl JobView {
    /// The ending of a finished import, else the state.
    pub fn status(&self) -> &'static str {
        self.ending.unwrap_or(self.state.as_str())
    }
}

/// The trace id in a `traceparent`: `00-TRACE-SPAN-FLAGS`.
fn trace_id(traceparent: &str) -> Option<String> {
    let id = traceparent.split('-').nth(1)?;
    (id.len() == 32).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trace_id_is_the_second_part_of_the_traceparent() {
        let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(trace_id(traceparent).as_deref(), Some("0af7651916cd43dd8448eb211c80319c"));
        assert_eq!(trace_id("nonsense"), None);
        assert_eq!(trace_id("00-short-b7ad6b7169203331-01"), None);
    }
}
