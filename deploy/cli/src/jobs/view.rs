//! An import as `rollcall jobs --json` prints it.

use chrono::{DateTime, Utc};
use rollcall_schema::ids::ImportId;
use rollcall_schema::imports::model::{Ending, Import, ImportState};
use rollcall_schema::imports::result_json;
use serde::Serialize;

/// One import. Scripts rely on the JSON keys, which the help documents.
#[derive(Debug, Serialize)]
pub struct ImportView {
    pub id: ImportId,
    pub tenant: String,
    pub state: ImportState,
    pub ending: Option<&'static str>,
    pub summary: String,
    pub endpoint: &'static str,
    pub kind: Option<String>,
    pub upload_bytes: i64,
    pub submitted_as: String,
    pub submitted_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
    pub attempts: i32,
    pub rows: RowCounts,
    pub encoding: Option<String>,
    pub delimiter: Option<String>,
    pub ignored_columns: Vec<String>,
    pub trace_id: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct RowCounts {
    pub processed: u64,
    pub total: Option<u64>,
    pub created: u64,
    pub updated: u64,
    pub failed: u64,
}

impl ImportView {
    pub fn new(import: Import, tenant: &str) -> Self {
        let summary = match &import.ending {
            None => import.pending_summary(),
            Some(Ending::Imported) => result_json::summary(import.tally),
            Some(Ending::Refused(why) | Ending::Abandoned(why) | Ending::Cancelled(why)) => why.clone(),
        };
        Self {
            id: import.id,
            tenant: tenant.to_owned(),
            state: import.state,
            ending: import.ending.as_ref().map(ending_name),
            summary,
            endpoint: import.endpoint.as_str(),
            kind: import.kind,
            upload_bytes: import.upload_bytes,
            submitted_as: import.submitted_as,
            submitted_at: import.submitted_at,
            started_at: import.started_at,
            finished_at: import.finished_at,
            attempts: import.attempt,
            rows: RowCounts {
                processed: import.tally.rows(),
                total: import.rows_total,
                created: import.tally.created,
                updated: import.tally.updated,
                failed: import.tally.failed,
            },
            encoding: import.encoding,
            delimiter: import.delimiter,
            ignored_columns: import.ignored_columns,
            trace_id: import.traceparent.as_deref().and_then(trace_id),
        }
    }

    /// The ending of a finished import, else the state.
    pub fn status(&self) -> &'static str {
        self.ending.unwrap_or(match self.state {
            ImportState::Queued => "queued",
            ImportState::Running => "running",
            ImportState::Finished => "finished",
        })
    }
}

fn ending_name(ending: &Ending) -> &'static str {
    match ending {
        Ending::Imported => "imported",
        Ending::Refused(_) => "refused",
        Ending::Abandoned(_) => "abandoned",
        Ending::Cancelled(_) => "cancelled",
    }
}

/// The trace id in a `traceparent`, which has the form `00-TRACE-SPAN-FLAGS`.
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
