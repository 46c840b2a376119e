//! An import as it is stored.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::tally::Tally;
use crate::ids::{ImportId, TenantId, TokenId};
use crate::postgres::pool::Connection;
use crate::postgres::tables::imports;
use crate::stored_words::stored_words;

stored_words! {
    /// Where the file was posted: the last segment of the path.
    pub enum Endpoint ("endpoint") {
        Users = "users",
        UserGroups = "userGroups",
    }
}

stored_words! {
    /// What the file contains, whichever endpoint it was posted to.
    pub enum ImportKind ("kind of import") {
        Users = "users",
        /// Users and the groups they join: a group import.
        Memberships = "memberships",
    }
}

stored_words! {
    /// The state of an import.
    pub enum ImportState ("state of an import") {
        /// Waits in its tenant's line, or for another attempt.
        Queued = "queued",
        /// A worker has claimed it.
        Running = "running",
        /// It has its result.
        Finished = "finished",
    }
}

stored_words! {
    /// Why an import did not reach the end of its file.
    pub enum FailureKind ("kind of failure") {
        Refused = "refused",
        Abandoned = "abandoned",
        Cancelled = "cancelled",
    }
}

/// How an import ended. All but the first carry the sentence that the client reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Every row has its outcome.
    Imported,
    /// The file cannot be imported; its sender can fix it.
    Refused(String),
    /// The service failed too often.
    Abandoned(String),
    /// A user or the operator cancelled it.
    Cancelled(String),
}

impl Ending {
    pub(super) fn new(failure: Option<(FailureKind, String)>) -> Self {
        match failure {
            None => Self::Imported,
            Some((FailureKind::Refused, sentence)) => Self::Refused(sentence),
            Some((FailureKind::Abandoned, sentence)) => Self::Abandoned(sentence),
            Some((FailureKind::Cancelled, sentence)) => Self::Cancelled(sentence),
        }
    }

    pub(super) fn failure(&self) -> Option<(FailureKind, &str)> {
        match self {
            Self::Imported => None,
            Self::Refused(sentence) => Some((FailureKind::Refused, sentence)),
            Self::Abandoned(sentence) => Some((FailureKind::Abandoned, sentence)),
            Self::Cancelled(sentence) => Some((FailureKind::Cancelled, sentence)),
        }
    }

    /// The word that the operator sees.
    pub fn as_str(&self) -> &'static str {
        self.failure().map_or("imported", |(kind, _)| kind.as_str())
    }
}

/// An import as clients and operators see it.
#[derive(Debug, Clone)]
pub struct Import {
    pub id: ImportId,
    /// The number in the tenant's line. The cursor of the listing.
    pub queue_position: i64,
    pub endpoint: Endpoint,
    /// `None` until the file was surveyed, and for an empty file.
    pub kind: Option<ImportKind>,
    pub state: ImportState,
    pub upload_bytes: i64,
    /// The token that it was sent with; `None` if it was sent with an account.
    pub submitted_token: Option<TokenId>,
    /// The sender's username or what names its token.
    pub submitted_as: String,
    pub submitted_at: DateTime<Utc>,
    /// When it was first claimed.
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
    /// How often it was claimed.
    pub attempt: i32,
    /// The outcomes of the rows so far.
    pub tally: Tally,
    /// Rows in the file, once they are counted.
    pub rows_total: Option<u64>,
    pub encoding: Option<String>,
    pub delimiter: Option<String>,
    /// The ignored columns, as the file writes them.
    pub ignored_columns: Vec<String>,
    /// What the sender should know although no row failed for it, as sentences.
    pub warnings: Vec<String>,
    /// Why it makes no progress, such as "the database is away". `None` where it does, and once it has finished.
    pub waiting: Option<String>,
    /// `None` until it has finished.
    pub ending: Option<Ending>,
    /// The trace of the request that submitted it.
    pub traceparent: Option<String>,
}

impl Import {
    /// The summary of an import that has not finished.
    pub fn pending_summary(&self) -> String {
        let done = self.tally.rows();
        match (self.state, self.rows_total) {
            (ImportState::Queued, _) if done == 0 => "The import is waiting for its turn.".to_owned(),
            (_, Some(total)) => format!("{done} of {total} rows processed."),
            (_, None) => format!("{done} rows processed."),
        }
    }
}

/// The columns of [`Import`].
#[derive(Queryable, Selectable)]
#[diesel(table_name = imports)]
struct ImportRow {
    id: ImportId,
    queue_position: i64,
    endpoint: Endpoint,
    kind: Option<ImportKind>,
    state: ImportState,
    upload_bytes: i64,
    submitted_token: Option<TokenId>,
    submitted_as: String,
    submitted_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
    attempt: i32,
    created: i64,
    updated: i64,
    failed: i64,
    rows_total: Option<i64>,
    encoding: Option<String>,
    delimiter: Option<String>,
    ignored_columns: Vec<String>,
    warnings: Vec<String>,
    failure: Option<String>,
    failure_kind: Option<FailureKind>,
    traceparent: Option<String>,
    #[diesel(select_expression = waiting_reason(imports::tenant_id, imports::id))]
    waiting: Option<String>,
}

#[diesel::declare_sql_function]
extern "SQL" {
    /// Why an import makes no progress. Defined in the database, because most of it is computed from other rows.
    fn waiting_reason(
        tenant: diesel::sql_types::Uuid,
        import: diesel::sql_types::Uuid,
    ) -> diesel::sql_types::Nullable<diesel::sql_types::Text>;
}

impl From<ImportRow> for Import {
    fn from(row: ImportRow) -> Self {
        let finished = row.state == ImportState::Finished;
        Self {
            id: row.id,
            queue_position: row.queue_position,
            endpoint: row.endpoint,
            kind: row.kind,
            state: row.state,
            upload_bytes: row.upload_bytes,
            submitted_token: row.submitted_token,
            submitted_as: row.submitted_as,
            submitted_at: row.submitted_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
            attempt: row.attempt,
            tally: Tally {
                created: unsigned(row.created),
                updated: unsigned(row.updated),
                failed: unsigned(row.failed),
            },
            rows_total: row.rows_total.map(unsigned),
            encoding: row.encoding,
            delimiter: row.delimiter,
            ignored_columns: row.ignored_columns,
            warnings: row.warnings,
            waiting: row.waiting,
            ending: finished.then(|| Ending::new(row.failure_kind.zip(row.failure))),
            traceparent: row.traceparent,
        }
    }
}

/// A count that the table keeps from being negative.
pub(super) fn unsigned(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

/// A count for a `bigint` column.
pub(super) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

pub async fn find(conn: &mut Connection, tenant: TenantId, import: ImportId) -> QueryResult<Option<Import>> {
    let row =
        imports::table.find((tenant, import)).select(ImportRow::as_select()).first(conn).await.optional()?;
    Ok(row.map(Import::from))
}

/// Reads an import and locks its row: until the transaction ends, it is not claimed, does not advance and does not end.
/// Waits for a chunk that is committing, but not for one that is merging, which holds only a key share lock.
pub(super) async fn lock_in_txn(
    conn: &mut Connection,
    tenant: TenantId,
    import: ImportId,
) -> QueryResult<Option<Import>> {
    let row: Option<ImportRow> = imports::table
        .find((tenant, import))
        .select(ImportRow::as_select())
        .for_no_key_update()
        .first(conn)
        .await
        .optional()?;
    Ok(row.map(Import::from))
}

/// The tenant's imports, newest first, starting after the queue position `before` if given.
pub async fn list(
    conn: &mut Connection,
    tenant: TenantId,
    before: Option<i64>,
    limit: i64,
) -> QueryResult<Vec<Import>> {
    list_submitted(conn, tenant, None, before, limit).await
}

/// As [`list`], but only what was sent with the token, if one is given.
pub async fn list_submitted(
    conn: &mut Connection,
    tenant: TenantId,
    token: Option<TokenId>,
    before: Option<i64>,
    limit: i64,
) -> QueryResult<Vec<Import>> {
    let mut query = imports::table
        .filter(imports::tenant_id.eq(tenant))
        .filter(imports::queue_position.lt(before.unwrap_or(i64::MAX)))
        .order(imports::queue_position.desc())
        .limit(limit)
        .select(ImportRow::as_select())
        .into_boxed();
    if let Some(token) = token {
        query = query.filter(imports::submitted_token.eq(token));
    }
    let rows: Vec<ImportRow> = query.load(conn).await?;
    Ok(rows.into_iter().map(Import::from).collect())
}
