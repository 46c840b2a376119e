//! An import's life: submitted into its tenant's line, claimed under a lease, progressing chunk by chunk,
//! finished once.
//!
//! Postgres is the only truth. Who works on an import is whoever holds its lease, and the lease's attempt is a
//! fencing token: each claim counts it up, and every write of a worker is made only where the attempt is still
//! its own.

pub mod by_hand;
pub mod idempotency;
pub mod retention;

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types;
use diesel_async::RunQueryDsl;
use serde::Serialize;

use self::idempotency::IdempotencyKey;
use crate::database::Connection;
use crate::edge::{self, Edge};
use crate::ids::{ImportId, TenantId, UserId};
use crate::outcome::Tally;
use crate::session::Session;
use crate::statement::statement;
use crate::tables::imports;
use crate::telemetry::TraceContext;
use crate::tenant::PasswordPolicy;
use crate::upload::Stored;
use crate::wake_up::{Lane, WakeUp};

/// The channel on which Postgres announces, at commit, the id of an import that finished.
pub const FINISHED_CHANNEL: &str = "rollcall_finished";

/// Where the file was posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// `/api/import/users`
    Users,
    /// `/api/import/userGroups`
    UserGroups,
}

impl Endpoint {
    /// The name that is stored; also the last segment of the path.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::UserGroups => "userGroups",
        }
    }

    fn parse(text: &str) -> Self {
        if text == "userGroups" { Self::UserGroups } else { Self::Users }
    }
}

/// What a file turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Rows of users.
    Users,
    /// Rows of users and the groups they join.
    Memberships,
}

impl Kind {
    /// The name that is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Memberships => "memberships",
        }
    }
}

/// An accepted upload, to be put into its tenant's line.
#[derive(Debug, Clone)]
pub struct Submission {
    /// The import's id; the upload is stored under it.
    pub id: ImportId,
    /// Whose.
    pub tenant: TenantId,
    /// Where it was posted.
    pub endpoint: Endpoint,
    /// Which queue it waits in.
    pub lane: Lane,
    /// What was stored.
    pub stored: Stored,
    /// The `charset` that the client declared.
    pub charset: Option<String>,
    /// Who sent it.
    pub submitted_by: UserId,
    /// The sender's username, kept for when the user is gone.
    pub submitted_as: String,
    /// The trace of the request.
    pub trace: TraceContext,
    /// What the client calls the upload.
    pub key: Option<IdempotencyKey>,
}

/// What became of an upload that was submitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Submitted {
    /// It is an import, and stands in its tenant's line.
    InLine {
        /// Whether it is the line's head, whose wake-up is to be published now.
        is_head: bool,
    },
    /// It came before, under the same key: as this import. There is no other.
    Already(ImportId),
    /// Another upload came under the same key. This one is no import.
    KeyOfAnother,
}

/// Puts an accepted upload at the end of its tenant's line, once for each idempotency key.
pub async fn submit(conn: &mut Connection, submission: &Submission) -> QueryResult<Submitted> {
    edge::pass_for(submission.tenant, Edge::BeforeSubmitCommit);
    // The lock on the tenant's row lasts until the commit: places are given in the order of commits, so the head of a
    // line can never be overtaken by one that took its place earlier and commits later. A key is taken before the
    // tenant's row: who comes with the same one waits for whoever has it, and then has no place to take.
    let head: Option<Head> = statement(
        "with fresh as (insert into idempotency_keys as kept (tenant_id, key, import_id)
                        select $1, $12, $2 where $12 is not null
                        on conflict (tenant_id, key)
                           do update set import_id = excluded.import_id, created_at = now()
                           where kept.created_at < now() - interval '24 hours'
                        returning key),
              line as (update tenants set last_place = last_place + 1
                        where id = $1 and ($12 is null or exists (select from fresh))
                        returning last_place)
         insert into imports (tenant_id, id, place, endpoint, lane, upload_bytes, upload_sha256, charset,
                              submitted_by, submitted_as, traceparent, tracestate)
         select $1, $2, line.last_place, $3, $4, $5, $6, $7, $8, $9, $10, $11 from line
         returning not exists (select from imports earlier
                                where earlier.tenant_id = $1 and earlier.state <> 'finished'
                                  and earlier.place < imports.place) as is_head",
    )
    .bind::<sql_types::Uuid, _>(submission.tenant)
    .bind::<sql_types::Uuid, _>(submission.id)
    .bind::<sql_types::Text, _>(submission.endpoint.as_str())
    .bind::<sql_types::Text, _>(submission.lane.as_str())
    .bind::<sql_types::BigInt, _>(i64::try_from(submission.stored.bytes).unwrap_or(i64::MAX))
    .bind::<sql_types::Binary, _>(submission.stored.sha256.as_slice())
    .bind::<sql_types::Nullable<sql_types::Text>, _>(submission.charset.as_deref())
    .bind::<sql_types::Uuid, _>(submission.submitted_by)
    .bind::<sql_types::Text, _>(&*submission.submitted_as)
    .bind::<sql_types::Nullable<sql_types::Text>, _>(submission.trace.traceparent.as_deref())
    .bind::<sql_types::Nullable<sql_types::Text>, _>(submission.trace.tracestate.as_deref())
    .bind::<sql_types::Nullable<sql_types::Text>, _>(submission.key.as_ref().map(IdempotencyKey::as_str))
    .get_result(conn)
    .await
    .optional()?;
    edge::pass_for(submission.tenant, Edge::AfterSubmitCommit);
    match (head, &submission.key) {
        // Unless another took its place while this one waited for the lock: then it is woken once too often.
        (Some(Head { is_head: true }), _) => return Ok(Submitted::InLine { is_head: true }),
        (Some(Head { is_head: false }), _) => {}
        (None, Some(key)) => {
            let known = idempotency::find(conn, submission, key).await?;
            return Ok(if known.same_upload {
                Submitted::Already(known.import)
            } else {
                Submitted::KeyOfAnother
            });
        }
        // The tenant was removed meanwhile.
        (None, None) => return Err(diesel::NotFound),
    }
    // Asked again behind the commit: whoever finishes the import before this one looks for the next one behind its own
    // commit, so that at least one of the two sees the other.
    let head: Head = statement(
        "select not exists (select from imports earlier
                             where earlier.tenant_id = $1 and earlier.state <> 'finished'
                               and earlier.place < submitted.place) as is_head
           from imports submitted where tenant_id = $1 and id = $2",
    )
    .bind::<sql_types::Uuid, _>(submission.tenant)
    .bind::<sql_types::Uuid, _>(submission.id)
    .get_result(conn)
    .await?;
    Ok(Submitted::InLine { is_head: head.is_head })
}

#[derive(QueryableByName)]
struct Head {
    #[diesel(sql_type = sql_types::Bool)]
    is_head: bool,
}

/// A claim on an import: the right to work on it until it expires or somebody else claims it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Whose import.
    pub tenant: TenantId,
    /// Which.
    pub import: ImportId,
    /// The fencing token: which claim this is, counted from 1.
    pub attempt: i32,
    /// How long it lasts, from each time that it is renewed.
    pub length: Duration,
}

/// An import that a worker has just claimed.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// The claim.
    pub lease: Lease,
    /// Where the file was posted.
    pub endpoint: Endpoint,
    /// The `charset` that the client declared.
    pub charset: Option<String>,
    /// Rows that have an outcome already; work goes on behind them.
    pub rows_done: u64,
    /// Attempts that failed since a chunk was last merged, counting those whose lease ran out.
    pub failures: i32,
    /// When the import sets a password that its file gives: the same for all rows of an attempt.
    pub password_policy: PasswordPolicy,
}

#[derive(QueryableByName)]
struct ClaimedRow {
    #[diesel(sql_type = sql_types::Integer)]
    attempt: i32,
    #[diesel(sql_type = sql_types::Text)]
    endpoint: String,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    charset: Option<String>,
    #[diesel(sql_type = sql_types::BigInt)]
    rows_done: i64,
    #[diesel(sql_type = sql_types::Integer)]
    failures: i32,
    #[diesel(sql_type = sql_types::Text)]
    password_policy: String,
}

/// Claims an import, if it is the head of its line and nobody holds it. `None` is the ordinary answer to a
/// wake-up that came twice, or late.
///
/// Waits for a transaction that has locked the import's row: most often that of the publisher, who keeps that it
/// published. That of a worker that froze amid a chunk is ended by the server before long.
pub async fn claim(
    conn: &mut Connection,
    tenant: TenantId,
    import: ImportId,
    holder: &str,
    lease: Duration,
) -> QueryResult<Option<Claimed>> {
    edge::pass_for(tenant, Edge::BeforeClaimCommit);
    let row: Option<ClaimedRow> = statement(
        // Locked first and written then: what an update sets is worked out before it waits for a lock, and a lease that
        // began before the wait would be over already.
        "with free as materialized (
             select tenant_id, id from imports
              where tenant_id = $1 and id = $2
                and (state = 'queued' and not_before <= now() or lease_is_over(state, lease_until, failures, id))
                and not exists (select from imports earlier
                                 where earlier.tenant_id = $1 and earlier.state <> 'finished'
                                   and earlier.place < imports.place)
                for update)
         update imports
            set state = 'running', attempt = attempt + 1, lease_holder = $3,
                lease_until = clock_timestamp() + $4 * interval '1 second',
                -- A lease that ran out was a failure: its worker died, hung or was cut off.
                failures = failures + (case when state = 'running' then 1 else 0 end),
                started_at = coalesce(started_at, clock_timestamp()), woken_at = null, wake_ups = 0
           from free
          where imports.tenant_id = free.tenant_id and imports.id = free.id
         returning attempt, endpoint, charset, rows_done, failures,
                   (select password_policy from tenants where tenants.id = $1) as password_policy",
    )
    .bind::<sql_types::Uuid, _>(tenant)
    .bind::<sql_types::Uuid, _>(import)
    .bind::<sql_types::Text, _>(holder)
    .bind::<sql_types::Double, _>(lease.as_secs_f64())
    .get_result(conn)
    .await
    .optional()?;
    if row.is_some() {
        edge::pass_for(tenant, Edge::AfterClaimCommit);
    }
    Ok(row.map(|row| Claimed {
        lease: Lease { tenant, import, attempt: row.attempt, length: lease },
        endpoint: Endpoint::parse(&row.endpoint),
        charset: row.charset,
        rows_done: unsigned(row.rows_done),
        failures: row.failures,
        password_policy: PasswordPolicy::parse(&row.password_policy).unwrap_or(PasswordPolicy::WhenChanged),
    }))
}

/// A count that the table keeps from being negative.
fn unsigned(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

/// Puts off the end of the lease. `false`: it is lost, and the worker must stop.
pub async fn renew(conn: &mut Connection, lease: &Lease) -> QueryResult<bool> {
    edge::pass_for(lease.tenant, Edge::BeforeRenewCommit);
    let renewed = statement(
        // This statement may have waited behind a chunk that renewed the lease, too: never shorten it.
        "update imports set lease_until = greatest(lease_until, clock_timestamp() + $4 * interval '1 second')
          where tenant_id = $1 and id = $2 and attempt = $3 and state = 'running'",
    )
    .bind::<sql_types::Uuid, _>(lease.tenant)
    .bind::<sql_types::Uuid, _>(lease.import)
    .bind::<sql_types::Integer, _>(lease.attempt)
    .bind::<sql_types::Double, _>(lease.length.as_secs_f64())
    .execute(conn)
    .await?;
    edge::pass_for(lease.tenant, Edge::AfterRenewCommit);
    Ok(renewed == 1)
}

/// What the reader made of a file.
#[derive(Debug, Clone)]
pub struct Reading {
    /// What the file turned out to be; `None` for an empty one, which could be either.
    pub kind: Option<Kind>,
    /// The encoding's name.
    pub encoding: String,
    /// The delimiter's name.
    pub delimiter: String,
    /// The columns that were ignored, as written.
    pub ignored_columns: Vec<String>,
}

/// Keeps how many rows the file has, once they were counted.
pub async fn record_total(conn: &mut Connection, lease: &Lease, rows: u64) -> QueryResult<()> {
    edge::pass_for(lease.tenant, Edge::BeforeTotalCommit);
    diesel::update(imports::table.find((lease.tenant, lease.import)))
        .filter(imports::attempt.eq(lease.attempt))
        .set(imports::rows_total.eq(i64::try_from(rows).ok()))
        .execute(conn)
        .await?;
    edge::pass_for(lease.tenant, Edge::AfterTotalCommit);
    Ok(())
}

/// A chunk whose rows have been merged.
#[derive(Debug, Clone, Copy)]
pub struct Advance<'a> {
    /// Its first row.
    pub first_row: u64,
    /// What became of its rows.
    pub tally: Tally,
    /// What the reader made of the file, with the first chunk of an attempt.
    pub reading: Option<&'a Reading>,
    /// Whether the file ends behind it: then the import is finished, and nobody hears of it before the commit.
    pub is_last: bool,
}

/// Moves the cursor over a chunk: adds its tally to the import's, as the last work of the chunk's transaction.
/// `false`: the lease is another's by now, or the rows before the chunk have not all been merged; the transaction must
/// be rolled back.
///
/// This is the fence. It locks the import's row until the commit, so whoever claims the import next waits for that and
/// goes on behind it; and it stands at the end, so that chunks of one import can be merged side by side and the row
/// is locked for no longer than a commit takes. Also renews the lease.
pub async fn advance_in_txn(
    txn: &Session,
    lease: &Lease,
    chunk: Advance<'_>,
) -> Result<bool, tokio_postgres::Error> {
    let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let reading = chunk.reading;
    let advanced = txn
        .execute(
            ADVANCE,
            &[
                &lease.tenant.as_uuid(),
                &lease.import.as_uuid(),
                &lease.attempt,
                &count(chunk.first_row),
                &count(chunk.tally.created),
                &count(chunk.tally.updated),
                &count(chunk.tally.failed),
                &lease.length.as_secs_f64(),
                &reading.and_then(|reading| reading.kind).map(Kind::as_str),
                &reading.map(|reading| &*reading.encoding),
                &reading.map(|reading| &*reading.delimiter),
                &reading.map(|reading| &*reading.ignored_columns),
                &chunk.is_last,
                &FINISHED_CHANNEL,
            ],
        )
        .await?;
    Ok(advanced == 1)
}

/// The statement of [`advance_in_txn`].
pub const ADVANCE: &str = "with advanced as (
         update imports
            set created = created + $5, updated = updated + $6, failed = failed + $7,
                -- It gets on: attempts are counted against an import that stands still.
                failures = 0,
                -- The clock's time, not the transaction's: that one is when the chunk began.
                lease_until = case when not $13 then clock_timestamp() + $8 * interval '1 second' end,
                kind = coalesce($9, kind), encoding = coalesce($10, encoding),
                delimiter = coalesce($11, delimiter), ignored_columns = coalesce($12, ignored_columns),
                state = case when $13 then 'finished' else state end,
                finished_at = case when $13 then now() end,
                rows_total = case when $13 then created + updated + failed + $5 + $6 + $7 else rows_total end
          where tenant_id = $1 and id = $2 and attempt = $3 and state = 'running' and rows_done = $4::bigint - 1
         returning id)
     select case when $13 then pg_notify($14, id::text) end from advanced";

/// Whether the lease is still this worker's, for now: what spares a chunk's work whose fence would refuse it.
pub async fn is_held(session: &Session, lease: &Lease) -> Result<bool, tokio_postgres::Error> {
    session
        .query_one(
            "select exists (select from imports
                             where tenant_id = $1 and id = $2 and attempt = $3 and state = 'running')",
            &[&lease.tenant.as_uuid(), &lease.import.as_uuid(), &lease.attempt],
        )
        .await?
        .try_get(0)
}

/// How an import ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Every row has its outcome.
    Imported,
    /// The file cannot be imported, and why; the sender can mend it.
    Refused(String),
    /// The service gave up, and why.
    Abandoned(String),
    /// Somebody cancelled it, and how far it had got.
    Cancelled(String),
}

/// Ends an import that has no further rows to merge. Nobody hears of it before the commit. `false`: the lease is lost,
/// or it was finished already.
pub async fn finish_in_txn(conn: &mut Connection, lease: &Lease, ending: &Ending) -> QueryResult<bool> {
    let (kind, failure) = match ending {
        Ending::Imported => (None, None),
        Ending::Refused(why) => (Some("refused"), Some(why)),
        Ending::Abandoned(why) => (Some("abandoned"), Some(why)),
        Ending::Cancelled(why) => (Some("cancelled"), Some(why)),
    };
    let finished = statement(
        "with finished as (
             update imports
                set state = 'finished', finished_at = now(), lease_until = null, failure_kind = $4, failure = $5,
                    -- From now on this says whether the wake-up of what was given up is among the dead letters.
                    woken_at = null,
                    rows_total = case when $4 is null then rows_done else rows_total end
              where tenant_id = $1 and id = $2 and attempt = $3 and state = 'running'
             returning id)
         select pg_notify($6, id::text) from finished",
    )
    .bind::<sql_types::Uuid, _>(lease.tenant)
    .bind::<sql_types::Uuid, _>(lease.import)
    .bind::<sql_types::Integer, _>(lease.attempt)
    .bind::<sql_types::Nullable<sql_types::Text>, _>(kind)
    .bind::<sql_types::Nullable<sql_types::Text>, _>(failure)
    .bind::<sql_types::Text, _>(FINISHED_CHANNEL)
    .execute(conn)
    .await?;
    Ok(finished == 1)
}

/// Attempts that failed since a chunk was last merged, this one not counted.
pub async fn failures(conn: &mut Connection, lease: &Lease) -> QueryResult<i32> {
    imports::table.find((lease.tenant, lease.import)).select(imports::failures).first(conn).await
}

/// Gives an import back to be tried again after `delay`; `charged` counts the attempt as a failure.
pub async fn release(
    conn: &mut Connection,
    lease: &Lease,
    delay: Duration,
    charged: bool,
) -> QueryResult<bool> {
    edge::pass_for(lease.tenant, Edge::BeforeReleaseCommit);
    let released = statement(
        "update imports
            set state = 'queued', lease_until = null, failures = failures + $5,
                not_before = now() + $4 * interval '1 second', woken_at = null, wake_ups = 0
          where tenant_id = $1 and id = $2 and attempt = $3 and state = 'running'",
    )
    .bind::<sql_types::Uuid, _>(lease.tenant)
    .bind::<sql_types::Uuid, _>(lease.import)
    .bind::<sql_types::Integer, _>(lease.attempt)
    .bind::<sql_types::Double, _>(delay.as_secs_f64())
    .bind::<sql_types::Integer, _>(i32::from(charged))
    .execute(conn)
    .await?;
    edge::pass_for(lease.tenant, Edge::AfterReleaseCommit);
    Ok(released == 1)
}

/// A wake-up that is due, and the queue it goes to.
#[derive(Debug, Clone)]
pub struct DueWakeUp {
    /// The queue.
    pub lane: Lane,
    /// The message.
    pub wake_up: WakeUp,
    /// How often the import has been claimed so far.
    pub attempts: i32,
}

#[derive(QueryableByName)]
struct DueRow {
    #[diesel(sql_type = sql_types::Uuid)]
    tenant_id: TenantId,
    #[diesel(sql_type = sql_types::Uuid)]
    id: ImportId,
    #[diesel(sql_type = sql_types::Text)]
    lane: String,
    #[diesel(sql_type = sql_types::Integer)]
    attempt: i32,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    traceparent: Option<String>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    tracestate: Option<String>,
}

impl From<DueRow> for DueWakeUp {
    fn from(row: DueRow) -> Self {
        Self {
            lane: Lane::parse(&row.lane).unwrap_or(Lane::Bulk),
            attempts: row.attempt,
            wake_up: WakeUp {
                tenant: row.tenant_id,
                import: row.id,
                trace: TraceContext { traceparent: row.traceparent, tracestate: row.tracestate },
            },
        }
    }
}

/// The wake-ups that the relay is to publish: heads of lines, of all tenants, that are free to be claimed and
/// were never published with a confirm, or were so long ago that the message may be lost. The wait doubles with
/// each message, so that a busy night does not fill the queues with copies.
pub async fn due_wake_ups(
    conn: &mut Connection,
    patience: Duration,
    limit: i64,
) -> QueryResult<Vec<DueWakeUp>> {
    let rows: Vec<DueRow> = statement(
        "select tenant_id, id, lane, attempt, traceparent, tracestate
           from (select distinct on (tenant_id) *
                   from imports where state <> 'finished' order by tenant_id, place) head
          where (state = 'queued' and not_before <= now()
                 or lease_is_over(state, lease_until, failures, id))
            and (woken_at is null
                 or woken_at < now() - $1 * interval '1 second' * (2 ^ least(wake_ups - 1, 3)))
          order by submitted_at
          limit $2",
    )
    .bind::<sql_types::Double, _>(patience.as_secs_f64())
    .bind::<sql_types::BigInt, _>(limit)
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(DueWakeUp::from).collect())
}

/// The head of a tenant's line, if it waits to be claimed: what is woken when another import has finished.
pub async fn next_in_line(conn: &mut Connection, tenant: TenantId) -> QueryResult<Option<DueWakeUp>> {
    let row: Option<DueRow> = statement(
        "select tenant_id, id, lane, attempt, traceparent, tracestate
           from (select * from imports
                  where tenant_id = $1 and state <> 'finished' order by place limit 1) head
          where state = 'queued' and not_before <= now()",
    )
    .bind::<sql_types::Uuid, _>(tenant)
    .get_result(conn)
    .await
    .optional()?;
    Ok(row.map(DueWakeUp::from))
}

/// Keeps that a wake-up was published and confirmed, for an import that had been claimed so often. One that was claimed
/// meanwhile, be it that it was given back since and waits for another wake-up, or whose row is locked, is left alone:
/// the relay must not wait for anybody's transaction.
pub async fn record_woken(
    conn: &mut Connection,
    tenant: TenantId,
    import: ImportId,
    attempts: i32,
) -> QueryResult<()> {
    edge::pass_for(tenant, Edge::BeforeWokenCommit);
    statement(
        "update imports set woken_at = now(), wake_ups = wake_ups + 1
          where (tenant_id, id) in
                (select tenant_id, id from imports
                  where tenant_id = $1 and id = $2 and attempt = $3
                    and (state = 'queued' or state = 'running' and lease_until < now())
                    for no key update skip locked)",
    )
    .bind::<sql_types::Uuid, _>(tenant)
    .bind::<sql_types::Uuid, _>(import)
    .bind::<sql_types::Integer, _>(attempts)
    .execute(conn)
    .await?;
    edge::pass_for(tenant, Edge::AfterWokenCommit);
    Ok(())
}

/// The wake-ups of imports that were given up and that are not known to be among the dead letters.
pub async fn due_dead_letters(conn: &mut Connection, limit: i64) -> QueryResult<Vec<WakeUp>> {
    let rows: Vec<DueRow> = statement(
        "select tenant_id, id, lane, attempt, traceparent, tracestate from imports
          where failure_kind = 'abandoned' and woken_at is null
          order by finished_at limit $1",
    )
    .bind::<sql_types::BigInt, _>(limit)
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(|row| DueWakeUp::from(row).wake_up).collect())
}

/// Keeps that the wake-up of an import that was given up is among the dead letters.
pub async fn record_dead_letter(
    conn: &mut Connection,
    tenant: TenantId,
    import: ImportId,
) -> QueryResult<()> {
    statement(
        "update imports set woken_at = now()
          where tenant_id = $1 and id = $2 and failure_kind = 'abandoned'",
    )
    .bind::<sql_types::Uuid, _>(tenant)
    .bind::<sql_types::Uuid, _>(import)
    .execute(conn)
    .await?;
    edge::pass_for(tenant, Edge::AfterDeadLetterCommit);
    Ok(())
}

/// Where an import is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It waits for its turn, or for another try.
    Queued,
    /// A worker has it.
    Running,
    /// It has its result.
    Finished,
}

/// An import as clients and operators see it.
#[derive(Debug, Clone)]
pub struct Import {
    /// Its id.
    pub id: ImportId,
    /// Its place in the tenant's line; the cursor of the listing.
    pub place: i64,
    /// Where the file was posted.
    pub endpoint: Endpoint,
    /// What it turned out to be, once read: `users` or `memberships`.
    pub kind: Option<String>,
    /// Where it is in its life.
    pub state: State,
    /// Bytes of the file.
    pub upload_bytes: i64,
    /// The sender's username.
    pub submitted_as: String,
    /// When it was accepted.
    pub submitted_at: DateTime<Utc>,
    /// When it was first claimed.
    pub started_at: Option<DateTime<Utc>>,
    /// When it got its result.
    pub finished_at: Option<DateTime<Utc>>,
    /// How often it was claimed.
    pub attempt: i32,
    /// What became of the rows so far.
    pub tally: Tally,
    /// How many rows the file has, once counted.
    pub rows_total: Option<u64>,
    /// The encoding that the reader chose.
    pub encoding: Option<String>,
    /// The delimiter that the reader chose.
    pub delimiter: Option<String>,
    /// The columns that were ignored, as written.
    pub ignored_columns: Vec<String>,
    /// How it ended, once it did.
    pub ending: Option<Ending>,
    /// The trace of the request that submitted it.
    pub traceparent: Option<String>,
}

impl Import {
    /// What an import that is not finished says of itself.
    pub fn pending_summary(&self) -> String {
        let done = self.tally.rows();
        match (self.state, self.rows_total) {
            (State::Queued, _) if done == 0 => "The import is waiting for its turn.".to_owned(),
            (_, Some(total)) => format!("{done} of {total} rows processed."),
            (_, None) => format!("{done} rows processed."),
        }
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = imports)]
struct ImportRow {
    id: ImportId,
    place: i64,
    endpoint: String,
    kind: Option<String>,
    state: String,
    upload_bytes: i64,
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
    failure: Option<String>,
    failure_kind: Option<String>,
    traceparent: Option<String>,
}

impl From<ImportRow> for Import {
    fn from(row: ImportRow) -> Self {
        let state = match row.state.as_str() {
            "finished" => State::Finished,
            "running" => State::Running,
            _ => State::Queued,
        };
        let ending = match (state, row.failure, row.failure_kind.as_deref()) {
            (State::Queued | State::Running, ..) => None,
            (State::Finished, None, _) => Some(Ending::Imported),
            (State::Finished, Some(why), Some("refused")) => Some(Ending::Refused(why)),
            (State::Finished, Some(why), Some("cancelled")) => Some(Ending::Cancelled(why)),
            (State::Finished, Some(why), _) => Some(Ending::Abandoned(why)),
        };
        Self {
            id: row.id,
            place: row.place,
            endpoint: Endpoint::parse(&row.endpoint),
            kind: row.kind,
            state,
            upload_bytes: row.upload_bytes,
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
            ending,
            traceparent: row.traceparent,
        }
    }
}

/// The tenant's import of this id.
pub async fn find(conn: &mut Connection, tenant: TenantId, import: ImportId) -> QueryResult<Option<Import>> {
    let row =
        imports::table.find((tenant, import)).select(ImportRow::as_select()).first(conn).await.optional()?;
    Ok(row.map(Import::from))
}

/// The tenant's imports, newest first, behind `before` (a place) where one is given.
pub async fn list(
    conn: &mut Connection,
    tenant: TenantId,
    before: Option<i64>,
    limit: i64,
) -> QueryResult<Vec<Import>> {
    let rows: Vec<ImportRow> = imports::table
        .filter(imports::tenant_id.eq(tenant))
        .filter(imports::place.lt(before.unwrap_or(i64::MAX)))
        .order(imports::place.desc())
        .limit(limit)
        .select(ImportRow::as_select())
        .load(conn)
        .await?;
    Ok(rows.into_iter().map(Import::from).collect())
}
