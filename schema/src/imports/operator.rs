//! What people do with an import: cancel it, or retry it.

use diesel::prelude::*;
use diesel_async::{AsyncConnection as _, RunQueryDsl};

use super::model::{Ending, FailureKind, Import, ImportState, find, lock_in_txn};
use super::result_json::summary;
use crate::audit::{self, Action, Actor, ActorKind, Entry};
use crate::crash_point::{self, CrashPoint};
use crate::ids::{ImportId, TenantId};
use crate::postgres::pool::{Connection, set_tenant};
use crate::postgres::tables::{imports, tenants};

/// The outcome of cancelling an import.
#[derive(Debug)]
pub enum CancelOutcome {
    /// It is cancelled, now or already.
    Cancelled(Import),
    /// It had ended otherwise.
    TooLate(Import),
    /// The tenant has no such import.
    NotFound,
}

/// Cancels an import for the actor `by`. It ends with the rows that are merged by then, including a chunk that
/// is committing.
///
/// The worker that holds it finds out at its next fence or heartbeat, and changes nothing more. The tenant's next import
/// may be claimed as soon as this has committed.
pub async fn cancel(
    conn: &mut Connection,
    tenant: TenantId,
    id: ImportId,
    by: &Actor,
) -> QueryResult<CancelOutcome> {
    conn.transaction(async |conn| {
        set_tenant(conn, tenant).await?;
        let Some(mut import) = lock_in_txn(conn, tenant, id).await? else {
            return Ok(CancelOutcome::NotFound);
        };
        match &import.ending {
            None => {}
            Some(Ending::Cancelled(_)) => return Ok(CancelOutcome::Cancelled(import)),
            Some(_) => return Ok(CancelOutcome::TooLate(import)),
        }
        let name = if by.kind == ActorKind::Operator { "the operator" } else { &by.name };
        let sentence = cancelled_sentence(&import, name);
        import.finished_at = diesel::update(imports::table.find((tenant, id)))
            .set((
                imports::state.eq(ImportState::Finished),
                imports::finished_at.eq(diesel::dsl::now),
                imports::lease_until.eq(None::<chrono::DateTime<chrono::Utc>>),
                imports::failure_kind.eq(FailureKind::Cancelled),
                imports::failure.eq(&sentence),
            ))
            .returning(imports::finished_at)
            .get_result(conn)
            .await?;
        record_in_txn(conn, tenant, id, by, Action::ImportCancelled).await?;
        import.state = ImportState::Finished;
        import.ending = Some(Ending::Cancelled(sentence));
        crash_point::reached_for(tenant, CrashPoint::BeforeCancelCommit);
        Ok(CancelOutcome::Cancelled(import))
    })
    .await
    .inspect(|_| crash_point::reached_for(tenant, CrashPoint::AfterCancelCommit))
}

async fn record_in_txn(
    conn: &mut Connection,
    tenant: TenantId,
    id: ImportId,
    by: &Actor,
    action: Action,
) -> QueryResult<()> {
    let entry = Entry { tenant: Some(tenant), action, object: &id.to_string(), details: None };
    audit::record_in_txn(conn, by, entry).await
}

/// What the client reads: who cancelled the import, and how far it got.
fn cancelled_sentence(import: &Import, by: &str) -> String {
    let done = match (import.tally.rows(), import.rows_total) {
        (0, _) => return format!("The import was cancelled by {by} before any row was processed."),
        (done, Some(total)) => format!("{done} of {total} rows"),
        (1, None) => "1 row".to_owned(),
        (done, None) => format!("{done} rows"),
    };
    format!(
        "The import was cancelled by {by} after {done}, which stay as they are. {}",
        summary(import.tally)
    )
}

/// The outcome of retrying an import.
#[derive(Debug)]
pub enum RetryOutcome {
    /// It waits at the end of its tenant's line.
    Queued(Import),
    /// It has not finished, or it was imported or refused: there is nothing to retry.
    NothingToRetry(Import),
    /// Its upload has been deleted.
    UploadDeleted(Import),
    /// The tenant has no such import.
    NotFound,
}

/// Puts an abandoned or cancelled import at the end of its tenant's line again. It will resume after the rows that have an
/// outcome, with all its attempts available.
///
/// At the end, because later imports of the tenant may have run, and one may be running: it must not overtake them.
pub async fn retry(
    conn: &mut Connection,
    tenant: TenantId,
    id: ImportId,
    by: &Actor,
) -> QueryResult<RetryOutcome> {
    conn.transaction(async |conn| {
        set_tenant(conn, tenant).await?;
        let Some(import) = lock_in_txn(conn, tenant, id).await? else { return Ok(RetryOutcome::NotFound) };
        if !matches!(import.ending, Some(Ending::Abandoned(_) | Ending::Cancelled(_))) {
            return Ok(RetryOutcome::NothingToRetry(import));
        }
        let is_deleted: bool = imports::table
            .find((tenant, id))
            .select(imports::upload_deleted_at.is_not_null())
            .first(conn)
            .await?;
        if is_deleted {
            return Ok(RetryOutcome::UploadDeleted(import));
        }
        // The lock on the tenant's row makes positions follow the order of commits, as in `submit`.
        let position: i64 = diesel::update(tenants::table.find(tenant))
            .set(tenants::last_position.eq(tenants::last_position + 1))
            .returning(tenants::last_position)
            .get_result(conn)
            .await?;
        diesel::update(imports::table.find((tenant, id)))
            .set((
                imports::state.eq(ImportState::Queued),
                imports::queue_position.eq(position),
                imports::failure.eq(None::<String>),
                imports::failure_kind.eq(None::<FailureKind>),
                imports::failures.eq(0),
                imports::finished_at.eq(None::<chrono::DateTime<chrono::Utc>>),
                imports::not_before.eq(diesel::dsl::now),
                imports::published_at.eq(None::<chrono::DateTime<chrono::Utc>>),
                imports::publish_count.eq(0),
                imports::dead_lettered_at.eq(None::<chrono::DateTime<chrono::Utc>>),
            ))
            .execute(conn)
            .await?;
        record_in_txn(conn, tenant, id, by, Action::ImportRetried).await?;
        Ok(find(conn, tenant, id).await?.map_or(RetryOutcome::NotFound, RetryOutcome::Queued))
    })
    .await
}
