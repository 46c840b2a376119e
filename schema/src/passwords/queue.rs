//! The hashing queue: passwords that wait under seal, and the requests to hash some of them.
//!
//! A hash batch request is a message: "some of this tenant's waiting passwords may be hashed now". The hasher that
//! receives it hashes one batch and publishes the request again, after those of the other tenants, so that a district's
//! million passwords do not delay a school's twenty. `users.password_sealed` alone says which passwords wait: if a
//! request is lost, late or duplicated, only time is lost.
//!
//! Batches are taken in passes. A pass goes once through a tenant's waiting passwords, in the order of their index, and
//! each batch moves its position forward. So no two hashers hash the same password, and none visits the index entries
//! that earlier batches have left dead. Publishing a request starts a new pass, which finds what the last one left.
//!
//! No lock is held while a password is hashed: a chunk that writes to the same users must not wait for threads that run
//! only when nothing else wants the processor. A hash is stored only if the seal is still the one it was made from.

use std::time::Duration;

use uuid::Uuid;

use crate::crash_point::{self, CrashPoint};
use crate::ids::{TenantId, UserId};
use crate::postgres::client::{Session, Transaction};

type Result<T> = std::result::Result<T, tokio_postgres::Error>;

const BEGIN_PASS: &str = include_str!("sql/begin_pass.sql");
const MARK_UNPUBLISHED: &str = include_str!("sql/mark_unpublished.sql");
const CLAIM_DUE_REQUESTS: &str = include_str!("sql/claim_due_requests.sql");
const LOCK_PASS: &str = include_str!("sql/lock_pass.sql");
const NEXT_BATCH: &str = include_str!("sql/next_batch.sql");
const ADVANCE_PASS: &str = include_str!("sql/advance_pass.sql");
const STORE_HASHES: &str = include_str!("sql/store_hashes.sql");

pub(crate) const STATEMENTS: &[(&str, &str)] = &[
    ("begin_pass", BEGIN_PASS),
    ("mark_unpublished", MARK_UNPUBLISHED),
    ("claim_due_requests", CLAIM_DUE_REQUESTS),
    ("lock_pass", LOCK_PASS),
    ("next_batch", NEXT_BATCH),
    ("advance_pass", ADVANCE_PASS),
    ("store_hashes", STORE_HASHES),
];

/// A password that waits under seal.
pub struct WaitingPassword {
    pub user: UserId,
    /// The user's name in the seal: see [`owner`](super::keys::owner).
    pub owner: String,
    pub sealed: Vec<u8>,
}

/// The result of hashing a waiting password.
pub struct HashedPassword {
    pub user: UserId,
    /// The seal that was opened.
    pub sealed: Vec<u8>,
    pub hash: String,
}

/// Starts a pass through a tenant's waiting passwords. Comes before its requests are published: a request received
/// earlier would find the last pass at its end and be used up.
pub async fn begin_pass(session: &Session, tenant: TenantId) -> Result<()> {
    session.execute(BEGIN_PASS, &[&tenant]).await?;
    Ok(())
}

/// Records that a tenant's request could not be published: it is due at once.
pub async fn mark_unpublished(session: &Session, tenant: TenantId) -> Result<()> {
    session.execute(MARK_UNPUBLISHED, &[&tenant]).await?;
    Ok(())
}

/// Claims the requests that the relay is to publish, and starts their passes: of tenants with waiting passwords whose
/// last request is older than `republish_after`. The interval doubles with each request, so that the queue does not fill
/// with copies when many tenants wait for long.
///
/// A tenant with a running import waits for its end, which publishes: hashing must not compete with the import that seals.
///
/// No deadlock: every relay takes the rows in the same order, and a hasher that takes a batch holds one of them and waits
/// for none.
pub async fn claim_due_requests(
    session: &Session,
    republish_after: Duration,
    limit: i64,
) -> Result<Vec<TenantId>> {
    let rows = session.query(CLAIM_DUE_REQUESTS, &[&republish_after.as_secs_f64(), &limit]).await?;
    let due: Vec<TenantId> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_>>()?;
    for tenant in &due {
        crash_point::reached_for(*tenant, CrashPoint::AfterHashRequestClaimCommit);
    }
    Ok(due)
}

/// Takes the next passwords of a tenant's pass: at most `limit`, fewer at the end of the pass. `restart` starts another
/// pass first, for a request whose last hasher may have died with its batch.
pub async fn take_batch(
    txn: Transaction,
    tenant: TenantId,
    restart: bool,
    limit: usize,
) -> Result<Vec<WaitingPassword>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    txn.begin().await?;
    if restart {
        begin_pass(&txn, tenant).await?;
    }
    let position: UserId = txn.query_one(LOCK_PASS, &[&tenant]).await?.try_get(0)?;
    let rows = txn.query(NEXT_BATCH, &[&tenant, &position, &limit]).await?;
    let batch = rows.iter().map(WaitingPassword::from_row).collect::<Result<Vec<_>>>()?;
    txn.execute(ADVANCE_PASS, &[&tenant, &batch.last().map(|last| last.user)]).await?;
    crash_point::reached_for(tenant, CrashPoint::BeforeBatchCommit);
    txn.commit().await?;
    crash_point::reached_for(tenant, CrashPoint::AfterBatchCommit);
    Ok(batch)
}

impl WaitingPassword {
    fn from_row(row: &tokio_postgres::Row) -> Result<Self> {
        Ok(Self { user: row.try_get(0)?, owner: row.try_get(1)?, sealed: row.try_get(2)? })
    }
}

/// Replaces seals by the hashes that were made from them; returns how many. Skips a password that was replaced meanwhile,
/// and a user whom another transaction is writing: they wait for another pass.
///
/// No deadlock: this takes only the users that no other transaction has locked, and waits for none.
pub async fn store_hashes(session: &Session, tenant: TenantId, hashed: &[HashedPassword]) -> Result<u64> {
    crash_point::reached_for(tenant, CrashPoint::BeforeHashesCommit);
    let users: Vec<Uuid> = hashed.iter().map(|password| password.user.as_uuid()).collect();
    let sealed: Vec<&[u8]> = hashed.iter().map(|password| password.sealed.as_slice()).collect();
    let new: Vec<&str> = hashed.iter().map(|password| password.hash.as_str()).collect();
    let stored = session.execute(STORE_HASHES, &[&tenant, &users, &sealed, &new]).await?;
    crash_point::reached_for(tenant, CrashPoint::AfterHashesCommit);
    Ok(stored)
}
