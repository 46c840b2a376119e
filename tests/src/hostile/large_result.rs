//! A result that is larger than all buffers between the API and its client, without the import that would take long.

use uuid::Uuid;

use crate::harness::{Stack, Tenant};

/// Rows of a chunk, as by default.
const CHUNK_ROWS: usize = 10_000;
/// The text of every row.
const PROBLEMS: &str =
    "Field (emailAddress) is not a well-formed email address. Field (enabled) is not a valid boolean. ";

/// A finished import of which every row failed.
#[derive(Debug, Clone)]
pub struct LargeResult {
    /// The path that answers with it.
    pub path: String,
    /// Bytes of the answer.
    pub bytes: usize,
}

/// Writes a finished import of `chunks` chunks of failed rows into the tables.
pub async fn add_large_result(stack: &Stack, tenant: &Tenant, chunks: usize) -> LargeResult {
    let id = Uuid::now_v7();
    let rows = chunks * CHUNK_ROWS;
    let tenant_id = tenant.id;
    stack
        .execute(&format!(
            "with line as (
                 update tenants set last_position = last_position + 1 where id = '{tenant_id}' returning last_position
             )
             insert into imports (tenant_id, id, queue_position, endpoint, kind, lane, state, upload_bytes, upload_sha256,
                                  submitted_by, submitted_as, finished_at, failed, rows_total)
             select '{tenant_id}', '{id}', last_position, 'users', 'users', 'bulk', 'finished', 1, '', '{id}', 'large', now(),
                    {rows}, {rows}
               from line"
        ))
        .await;
    stack
        .execute(&format!(
            "insert into chunk_outcomes (tenant_id, import_id, first_row, rows, outcomes, problems)
             select '{tenant_id}', '{id}', 1 + chunk * {CHUNK_ROWS}, {CHUNK_ROWS},
                    decode(repeat('aa', {CHUNK_ROWS} / 4), 'hex'),
                    array_fill('{PROBLEMS}'::text, array[{CHUNK_ROWS}])
               from generate_series(0, {chunks} - 1) chunk"
        ))
        .await;
    let summary = format!(
        r#"{{"success":false,"summary":"{rows} users processed. 0 users created. 0 users updated. {rows} users failed.","details":{{"#
    );
    let texts = rows * (2 * PROBLEMS.len() + "\"\":\"User failed to import: \",".len());
    let digits: usize = (1..=rows).map(|row| row.to_string().len()).sum();
    LargeResult {
        path: format!("/api/import/jobs/{id}?tenantId={}", tenant.name),
        // The last row is followed by no comma.
        bytes: summary.len() + texts + digits - 1 + "}}".len(),
    }
}
