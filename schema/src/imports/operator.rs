//! What people do with an import: cancel it, or have it run again.

use diesel::prelude::*;
use diesel::sql_types;
use diesel_async::{AsyncConnection as _, RunQueryDsl};

use super::{Ending, FINISHED_CHANNEL, Import, ImportRow, State};
use crate::database::Connection;
use crate::edge::{self, Edge};
use crate::ids::{ImportId, TenantId};
use crate::result::summary;
use crate::statement::statement;
use crate::tables::imports;

/// What became of a wish to cancel an import.
#[derive(Debug)]
pub enum Cancelled {
    /// It is cancelled, now or before.
    Yes(Import),
    /// It had ended otherwise.
    TooLate(Import),
    /// The tenant has no such import.
    Unknown,
}

/// Cancels an import on behalf of `who`: it ends with the rows that were merged, at the latest, in the chunk that is
/// being committed.
///
/// A worker that has it finds at its next fence, or at its next heartbeat, that the import is its own no longer, and
/// changes nothing more. The tenant's next import may be claimed as soon as this is committed.
pub async fn cancel(
    conn: &mut Connection,
    tenant: TenantId,
    id: ImportId,
    who: &str,
) -> QueryResult<Cancelled> {
    conn.transaction(async |conn| {
        let Some(mut import) = lock(conn, tenant, id).await? else { return Ok(Cancelled::Unknown) };
        match &import.ending {
            None => {}
            Some(Ending::Cancelled(_)) => return Ok(Cancelled::Yes(import)),
            Some(_) => return Ok(Cancelled::TooLate(import)),
        }
        let why = sentence(&import, who);
        let finished_at = statement(
            "with cancelled as (
                 update imports
                    set state = 'finished', finished_at = now(), lease_until = null,
                        failure_kind = 'cancelled', failure = $3
                  where tenant_id = $1 and id = $2
                 returning id, finished_at)
             select finished_at, pg_notify($4, id::text) from cancelled",
        )
        .bind::<sql_types::Uuid, _>(tenant)
        .bind::<sql_types::Uuid, _>(id)
        .bind::<sql_types::Text, _>(&*why)
        .bind::<sql_types::Text, _>(FINISHED_CHANNEL)
        .get_result::<FinishedAt>(conn)
        .await?
        .finished_at;
        import.state = State::Finished;
        import.finished_at = Some(finished_at);
        import.ending = Some(Ending::Cancelled(why));
        edge::pass_for(tenant, Edge::BeforeCancelCommit);
        Ok(Cancelled::Yes(import))
    })
    .await
    .inspect(|_| edge::pass_for(tenant, Edge::AfterCancelCommit))
}

/// The import, which nobody claims, moves on or ends until the transaction is over. Waits for a chunk that is being
/// committed, and not for one that is merged: that one refers to the import's key, which is not locked.
async fn lock(conn: &mut Connection, tenant: TenantId, id: ImportId) -> QueryResult<Option<Import>> {
    let row: Option<ImportRow> = imports::table
        .find((tenant, id))
        .select(ImportRow::as_select())
        .for_no_key_update()
        .first(conn)
        .await
        .optional()?;
    Ok(row.map(Import::from))
}

#[derive(QueryableByName)]
struct FinishedAt {
    #[diesel(sql_type = sql_types::Timestamptz)]
    finished_at: chrono::DateTime<chrono::Utc>,
}

/// What the client reads of a cancelled import: by whom, and how far it got.
fn sentence(import: &Import, who: &str) -> String {
    let done = match (import.tally.rows(), import.rows_total) {
        (0, _) => return format!("The import was cancelled by {who} before any row was processed."),
        (done, Some(total)) => format!("{done} of {total} rows"),
        (1, None) => "1 row".to_owned(),
        (done, None) => format!("{done} rows"),
    };
    format!(
        "The import was cancelled by {who} after {done}, which stay as they are. {}",
        summary(import.tally)
    )
}

/// What became of a wish to run an import again.
#[derive(Debug)]
pub enum Retried {
    /// It waits at the end of its tenant's line.
    InLine(Import),
    /// It is not finished, or was imported or refused: there is nothing to run again.
    NothingToDo(Import),
    /// Its upload was deleted since.
    UploadDeleted(Import),
    /// The tenant has no such import.
    Unknown,
}

/// Puts an import that was given up or cancelled at the end of its tenant's line again. It goes on behind the rows that
/// it has an outcome for, with all its attempts before it.
///
/// At the end, because others of the tenant may have run since, and one may be running: it must not come before them.
pub async fn retry(conn: &mut Connection, tenant: TenantId, id: ImportId) -> QueryResult<Retried> {
    conn.transaction(async |conn| {
        let Some(import) = lock(conn, tenant, id).await? else { return Ok(Retried::Unknown) };
        if !matches!(import.ending, Some(Ending::Abandoned(_) | Ending::Cancelled(_))) {
            return Ok(Retried::NothingToDo(import));
        }
        // The lock on the tenant's row gives places in the order of commits, as `submit` does.
        let retried = statement(
            "with kept as (select from imports where tenant_id = $1 and id = $2 and upload_deleted_at is null),
                  line as (update tenants set last_place = last_place + 1
                            where id = $1 and exists (select from kept)
                            returning last_place)
             update imports
                set state = 'queued', place = line.last_place, failure = null, failure_kind = null, failures = 0,
                    finished_at = null, not_before = now(), woken_at = null, wake_ups = 0
               from line
              where tenant_id = $1 and id = $2",
        )
        .bind::<sql_types::Uuid, _>(tenant)
        .bind::<sql_types::Uuid, _>(id)
        .execute(conn)
        .await?;
        if retried == 0 {
            return Ok(Retried::UploadDeleted(import));
        }
        Ok(super::find(conn, tenant, id).await?.map_or(Retried::Unknown, Retried::InLine))
    })
    .await
}
