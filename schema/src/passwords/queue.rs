//! Passwords that wait under seal, and whose turn it is to have some of them hashed.
//!
//! A turn is a message: "some of this tenant's waiting passwords may be hashed now". Who takes it hashes one batch and
//! puts the turn behind those of the other tenants, so that a district's million passwords do not delay a school's
//! twenty. Which passwords wait is told by `users.password_sealed` alone: a turn that is lost, late or doubled changes
//! nothing but the time.
//!
//! Batches are handed out in passes. A pass goes once through a tenant's waiting passwords, in the order of their index,
//! and each batch moves its place on, so that no two hashers hash the same password and none looks again at the index
//! entries that the batches before have left dead. Who publishes a turn begins a new pass, which meets what the one
//! before left behind.
//!
//! No lock is held while a password is hashed: an import's chunk that writes to the same users must not wait for threads
//! that run only when nobody else wants to. A hash is stored where the seal is still the one it was made from.

use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Binary, Double, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncConnection as _, RunQueryDsl};
use lapin::types::FieldTable;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::database::Connection;
use crate::edge::{self, Edge};
use crate::ids::{TenantId, UserId};
use crate::statement::statement;
use crate::telemetry::TraceContext;

/// "Some of this tenant's waiting passwords may be hashed now." Carries an id only; nothing of a password is ever in a
/// message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// Whose passwords.
    pub tenant: TenantId,
    /// The trace of the import that sealed them, where one did; travels in the headers.
    #[serde(skip)]
    pub trace: TraceContext,
}

impl Turn {
    /// The message's body.
    pub fn body(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("an id can always be written as JSON")
    }

    /// Reads a message; `None` if it is not a turn.
    pub fn read(body: &[u8], headers: Option<&FieldTable>) -> Option<Self> {
        let turn: Self = serde_json::from_slice(body).ok()?;
        Some(Self { trace: TraceContext::read(headers), ..turn })
    }
}

/// A password that waits under seal.
#[derive(QueryableByName)]
pub struct WaitingPassword {
    /// Whose.
    #[diesel(sql_type = SqlUuid, column_name = "id")]
    pub user: UserId,
    /// What the user is found by; part of the seal.
    #[diesel(sql_type = Text)]
    pub username_key: String,
    /// The password under seal.
    #[diesel(sql_type = Binary, column_name = "password_sealed")]
    pub sealed: Vec<u8>,
}

/// What a waiting password came to.
pub struct HashedPassword {
    /// Whose.
    pub user: UserId,
    /// The seal that was opened.
    pub sealed: Vec<u8>,
    /// The hash; `None` drops a password whose seal does not open, and its fingerprint with it, so that the next file
    /// that gives it sets it again.
    pub hash: Option<String>,
}

/// Begins a pass through a tenant's waiting passwords. Comes before its turns are published: one that was taken earlier
/// would find the pass before at its end and be gone.
pub async fn begin_pass(conn: &mut Connection, tenant: TenantId) -> QueryResult<()> {
    statement(
        "insert into hashing_turns (tenant_id, woken_at) values ($1, now())
         on conflict (tenant_id) do update set woken_at = now(), wake_ups = default, taken_to = default",
    )
    .bind::<SqlUuid, _>(tenant)
    .execute(conn)
    .await?;
    Ok(())
}

/// Keeps that a tenant's turn could not be published: it is due at once.
pub async fn record_unpublished(conn: &mut Connection, tenant: TenantId) -> QueryResult<()> {
    statement("update hashing_turns set woken_at = null, wake_ups = default where tenant_id = $1")
        .bind::<SqlUuid, _>(tenant)
        .execute(conn)
        .await?;
    Ok(())
}

#[derive(QueryableByName)]
struct DueTurn {
    #[diesel(sql_type = SqlUuid)]
    tenant_id: TenantId,
}

/// Claims the turns that the relay is to publish, and begins their passes: of tenants whose passwords wait and of whose
/// hashing nothing was heard for `patience`. The wait doubles with each turn, so that where many tenants wait, and each
/// for long, the queue does not fill with copies.
///
/// A tenant of which an import is running waits for its end, which publishes: hashing is not to compete with the import
/// that seals.
///
/// No deadlock: every relay takes the rows in the same order, and who takes a batch has one of them and waits for none.
pub async fn claim_due_turns(
    conn: &mut Connection,
    patience: Duration,
    limit: i64,
) -> QueryResult<Vec<TenantId>> {
    let due: Vec<DueTurn> = statement(
        // From one tenant with a waiting password to the next, a look into the index for each: what this costs does
        // not grow with the passwords. In the order of the whole key: by the tenant alone the planner may take another
        // index that begins with it, and read through all the users who do not wait.
        "with recursive waiting (tenant_id) as (
            (select tenant_id from users where password_sealed is not null order by tenant_id, id limit 1)
            union all
            select (select users.tenant_id from users
                     where password_sealed is not null and users.tenant_id > waiting.tenant_id
                     order by users.tenant_id, users.id limit 1)
              from waiting where waiting.tenant_id is not null)
         insert into hashing_turns as turn (tenant_id, woken_at, wake_ups)
         select waiting.tenant_id, now(), 1
           from waiting left join hashing_turns heard on heard.tenant_id = waiting.tenant_id
          where waiting.tenant_id is not null
            and (heard.woken_at is null
                 or heard.woken_at < now() - $1 * interval '1 second' * (2 ^ least(heard.wake_ups, 7)))
            and not exists (select from imports
                             where imports.tenant_id = waiting.tenant_id and state = 'running')
          order by waiting.tenant_id
          limit $2
         on conflict (tenant_id) do update
            set woken_at = now(), wake_ups = turn.wake_ups + 1, taken_to = default
          -- Asked again of what is there now: another relay may have come first.
          where turn.woken_at is null
             or turn.woken_at < now() - $1 * interval '1 second' * (2 ^ least(turn.wake_ups, 7))
         returning turn.tenant_id",
    )
    .bind::<Double, _>(patience.as_secs_f64())
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await?;
    for due in &due {
        edge::pass_for(due.tenant_id, Edge::AfterTurnClaimCommit);
    }
    Ok(due.into_iter().map(|due| due.tenant_id).collect())
}

#[derive(QueryableByName)]
struct Pass {
    #[diesel(sql_type = SqlUuid)]
    taken_to: UserId,
}

/// Takes the next passwords of a tenant's pass, `limit` at most; fewer, when the pass is at its end. `from_the_beginning`
/// begins another: for a turn whose last taker may have died with its batch.
pub async fn take_batch(
    conn: &mut Connection,
    tenant: TenantId,
    from_the_beginning: bool,
    limit: usize,
) -> QueryResult<Vec<WaitingPassword>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    conn.transaction(async move |conn| {
        if from_the_beginning {
            begin_pass(conn, tenant).await?;
        }
        // Locks the pass until the commit, so that batches are handed out one after another.
        let pass: Pass = statement(
            "insert into hashing_turns (tenant_id, woken_at) values ($1, now())
             on conflict (tenant_id) do update set woken_at = now()
             returning taken_to",
        )
        .bind::<SqlUuid, _>(tenant)
        .get_result(conn)
        .await?;
        let batch: Vec<WaitingPassword> = statement(
            "select id, username_key, password_sealed from users
              where tenant_id = $1 and id > $2 and password_sealed is not null
              order by id limit $3",
        )
        .bind::<SqlUuid, _>(tenant)
        .bind::<SqlUuid, _>(pass.taken_to)
        .bind::<BigInt, _>(limit)
        .load(conn)
        .await?;
        // At the end of a pass the relay's patience is as at first.
        statement(
            "update hashing_turns
                set taken_to = coalesce($2, taken_to), wake_ups = case when $2 is not null then wake_ups else 0 end
              where tenant_id = $1",
        )
        .bind::<SqlUuid, _>(tenant)
        .bind::<Nullable<SqlUuid>, _>(batch.last().map(|last| last.user))
        .execute(conn)
        .await?;
        edge::pass_for(tenant, Edge::BeforeBatchCommit);
        Ok(batch)
    })
    .await
    .inspect(|_| edge::pass_for(tenant, Edge::AfterBatchCommit))
}

/// Puts hashes in the place of the seals that they were made from; returns how many. A password that was replaced
/// meanwhile is left alone, and so is a user whom somebody else is writing to: what is passed over waits for another
/// pass.
///
/// No deadlock: this takes the users that nobody else has locked, and waits for none.
pub async fn store_hashes(
    conn: &mut Connection,
    tenant: TenantId,
    hashed: &[HashedPassword],
) -> QueryResult<usize> {
    edge::pass_for(tenant, Edge::BeforeHashesCommit);
    statement(
        "with free as materialized (
            select users.id, new.hash
              from users join unnest($2, $3, $4) as new (id, sealed, hash)
                         on users.id = new.id and users.password_sealed = new.sealed
             where users.tenant_id = $1
               for no key update of users skip locked)
         update users
            set password_hash = free.hash, password_sealed = null,
                password_fingerprint = case when free.hash is not null then password_fingerprint end
           from free
          where users.tenant_id = $1 and users.id = free.id",
    )
    .bind::<SqlUuid, _>(tenant)
    .bind::<Array<SqlUuid>, _>(hashed.iter().map(|one| one.user.as_uuid()).collect::<Vec<Uuid>>())
    .bind::<Array<Binary>, _>(hashed.iter().map(|one| one.sealed.as_slice()).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(hashed.iter().map(|one| one.hash.as_deref()).collect::<Vec<_>>())
    .execute(conn)
    .await
    .inspect(|_| edge::pass_for(tenant, Edge::AfterHashesCommit))
}
