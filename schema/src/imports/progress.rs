//! Progress: the cursor moves chunk by chunk, up to the end.

use diesel::prelude::*;
use diesel_async::{AsyncConnection as _, RunQueryDsl};

use super::lease::{Lease, LeaseError};
use super::model::{Ending, ImportKind, signed};
use super::tally::Tally;
use crate::crash_point::{self, CrashPoint};
use crate::postgres::client::Session;
use crate::postgres::pool::{Connection, set_tenant};
use crate::postgres::tables::imports;

/// The channel on which Postgres announces, at commit, the id of an import that has finished. A trigger on the table
/// sends it.
pub const FINISHED_CHANNEL: &str = "rollcall_finished";

/// The statement of [`advance_in_txn`], to be [prepared](Session::prepare) when it is pipelined.
pub const ADVANCE: &str = include_str!("sql/advance.sql");
const FINISH: &str = include_str!("sql/finish.sql");

pub(crate) const STATEMENTS: &[(&str, &str)] = &[("advance", ADVANCE), ("finish", FINISH)];

/// What the survey found in the file.
#[derive(Debug, Clone)]
pub struct FileFormat {
    /// `None` for an empty file, which could be of either kind.
    pub kind: Option<ImportKind>,
    pub encoding: String,
    pub delimiter: String,
    /// As the file writes them.
    pub ignored_columns: Vec<String>,
    /// What is odd about the file as a whole, as sentences.
    pub warnings: Vec<String>,
}

/// Stores how many rows the file has.
pub async fn record_total(conn: &mut Connection, lease: &Lease, rows: u64) -> QueryResult<()> {
    crash_point::reached_for(lease.tenant, CrashPoint::BeforeTotalCommit);
    conn.transaction(async |conn| {
        set_tenant(conn, lease.tenant).await?;
        diesel::update(imports::table.find((lease.tenant, lease.import)))
            .filter(imports::attempt.eq(lease.attempt))
            .set(imports::rows_total.eq(signed(rows)))
            .execute(conn)
            .await
    })
    .await?;
    crash_point::reached_for(lease.tenant, CrashPoint::AfterTotalCommit);
    Ok(())
}

/// A chunk whose rows have been merged.
#[derive(Debug, Clone, Copy)]
pub struct Advance<'a> {
    pub first_row: u64,
    pub tally: Tally,
    /// With the first chunk of an attempt.
    pub format: Option<&'a FileFormat>,
    /// Presentation groups that the chunk's rows made.
    pub new_groups: u64,
    /// What is odd about the chunk's rows, as sentences.
    pub warnings: &'a [String],
    /// Whether the file ends after the chunk. Then the import is finished, and announced at the commit.
    pub is_last: bool,
}

/// Moves the cursor over a chunk: adds the chunk's tally to the import's. The last statement of the chunk's transaction. On
/// [`LeaseError::Lost`] the transaction must be rolled back: another worker has the import, or the rows before the chunk
/// have not all been merged.
///
/// This is the fence (invariant 3). It locks the import's row until the commit, so the next worker to claim the import waits
/// for it and resumes after the chunk. It comes last, so that chunks of one import can be merged in parallel and the row is
/// locked no longer than a commit takes. It also renews the lease.
pub async fn advance_in_txn(txn: &Session, lease: &Lease, chunk: Advance<'_>) -> Result<(), LeaseError> {
    let Advance { first_row, tally, format, new_groups, warnings, is_last } = chunk;
    let advanced = txn
        .execute(
            ADVANCE,
            &[
                &lease.tenant,
                &lease.import,
                &lease.attempt,
                &signed(first_row),
                &signed(tally.created),
                &signed(tally.updated),
                &signed(tally.failed),
                &lease.length.as_secs_f64(),
                &format.and_then(|format| format.kind),
                &format.map(|format| &*format.encoding),
                &format.map(|format| &*format.delimiter),
                &format.map(|format| &*format.ignored_columns),
                &is_last,
                &format.map(|format| &*format.warnings),
                &warnings,
                &signed(new_groups),
            ],
        )
        .await?;
    LeaseError::unless_written(advanced)
}

/// Ends an import that has no rows left to merge.
pub async fn finish(session: &Session, lease: &Lease, ending: &Ending) -> Result<(), LeaseError> {
    let (kind, sentence) = ending.failure().unzip();
    crash_point::reached_for(lease.tenant, CrashPoint::BeforeEndCommit);
    let finished =
        session.execute(FINISH, &[&lease.tenant, &lease.import, &lease.attempt, &kind, &sentence]).await?;
    crash_point::reached_for(lease.tenant, CrashPoint::AfterEndCommit);
    LeaseError::unless_written(finished)
}
