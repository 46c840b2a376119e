//! The lease: which worker works on an import, and until when.

use std::time::Duration;

use super::model::{Endpoint, unsigned};
use crate::crash_point::{self, CrashPoint};
use crate::ids::{ImportId, TenantId};
use crate::postgres::client::Session;
use crate::postgres::error::DatabaseError;
use crate::tenants::tenant::PasswordPolicy;

const CLAIM: &str = include_str!("sql/claim.sql");
const JUDGE_LOST_WORKERS: &str = include_str!("sql/judge_lost_workers.sql");
const RENEW: &str = include_str!("sql/renew.sql");
const IS_HELD: &str = include_str!("sql/is_held.sql");
const RELEASE: &str = include_str!("sql/release.sql");
const IS_CHARGED: &str = include_str!("sql/is_charged.sql");

pub(crate) const STATEMENTS: &[(&str, &str)] = &[
    ("claim", CLAIM),
    ("judge_lost_workers", JUDGE_LOST_WORKERS),
    ("renew", RENEW),
    ("is_held", IS_HELD),
    ("release", RELEASE),
    ("is_charged", IS_CHARGED),
];

/// A claim on an import: the right to work on it until it expires or another worker claims the import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    pub tenant: TenantId,
    pub import: ImportId,
    /// The fencing token: the number of this claim, counted from 1.
    pub attempt: i32,
    /// From the claim, and from each renewal.
    pub length: Duration,
}

/// Why a write under a lease did not happen.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// Another worker has claimed the import, or it has finished. The worker must stop.
    #[error("the lease is lost")]
    Lost,
    #[error("the database failed")]
    Database(#[from] DatabaseError),
}

impl From<tokio_postgres::Error> for LeaseError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error.into())
    }
}

impl LeaseError {
    /// A write under a lease affects exactly one row while the lease is held.
    pub(super) fn unless_written(rows: u64) -> Result<(), Self> {
        if rows == 1 { Ok(()) } else { Err(Self::Lost) }
    }
}

/// An import that a worker has just claimed.
#[derive(Debug, Clone)]
pub struct ClaimedImport {
    pub lease: Lease,
    pub endpoint: Endpoint,
    /// The `charset` that the client declared.
    pub charset: Option<String>,
    /// The size of the uploaded file.
    pub upload_bytes: u64,
    /// Rows that already have an outcome. Work resumes after them.
    pub rows_done: u64,
    /// Attempts that failed since the last chunk was merged and that the file may have caused, including those whose worker
    /// was not heard of again.
    pub failures: i32,
    /// The same for all rows of an attempt.
    pub password_policy: PasswordPolicy,
    /// Whether the rows leave `enabled` and the password of administrators alone.
    pub protect_administrators: bool,
    /// How many presentation groups the import may create.
    pub new_group_limit: usize,
}

/// Claims an import, if it is the head of its line and no worker holds it. `None` is a normal answer to a wake-up that was
/// duplicated or late.
///
/// Waits for a transaction that has locked the import's row, usually the publisher's, which records that it published. The
/// server soon ends the transaction of a worker that froze during a chunk.
pub async fn claim(
    session: &Session,
    tenant: TenantId,
    import: ImportId,
    holder: &str,
    length: Duration,
) -> Result<Option<ClaimedImport>, tokio_postgres::Error> {
    crash_point::reached_for(tenant, CrashPoint::BeforeClaimCommit);
    let claimed = session.query_opt(CLAIM, &[&tenant, &import, &holder, &length.as_secs_f64()]).await?;
    let Some(row) = claimed else { return Ok(None) };
    crash_point::reached_for(tenant, CrashPoint::AfterClaimCommit);
    let lease = Lease { tenant, import, attempt: row.try_get(0)?, length };
    let (lost_holder, lost_workers): (Option<&str>, i32) = (row.try_get(8)?, row.try_get(9)?);
    let failures = if lost_workers == 0 {
        row.try_get(4)?
    } else {
        let judged = session
            .query_opt(JUDGE_LOST_WORKERS, &[&tenant, &import, &lease.attempt, &holder, &lost_holder])
            .await?;
        // The import may have been cancelled at this moment.
        let Some(judged) = judged else { return Ok(None) };
        judged.try_get(0)?
    };
    Ok(Some(ClaimedImport {
        lease,
        endpoint: row.try_get(1)?,
        charset: row.try_get(2)?,
        upload_bytes: unsigned(row.try_get(10)?),
        rows_done: unsigned(row.try_get(3)?),
        failures,
        password_policy: row.try_get(5)?,
        protect_administrators: row.try_get(6)?,
        new_group_limit: usize::try_from(row.try_get::<_, i32>(7)?).unwrap_or(0),
    }))
}

/// Extends the lease: the worker's heartbeat.
pub async fn renew(session: &Session, lease: &Lease) -> Result<(), LeaseError> {
    crash_point::reached_for(lease.tenant, CrashPoint::BeforeRenewCommit);
    let renewed = session
        .execute(RENEW, &[&lease.tenant, &lease.import, &lease.attempt, &lease.length.as_secs_f64()])
        .await?;
    crash_point::reached_for(lease.tenant, CrashPoint::AfterRenewCommit);
    LeaseError::unless_written(renewed)
}

/// Fails if the lease is lost already. Saves the work of a chunk that the fence would reject.
pub async fn check(session: &Session, lease: &Lease) -> Result<(), LeaseError> {
    let is_held: bool =
        session.query_one(IS_HELD, &[&lease.tenant, &lease.import, &lease.attempt]).await?.try_get(0)?;
    if is_held { Ok(()) } else { Err(LeaseError::Lost) }
}

/// Whether the failures that the claim found still count: they are forgotten when a chunk is merged.
pub async fn is_charged(session: &Session, lease: &Lease) -> Result<bool, tokio_postgres::Error> {
    let found = session.query_opt(IS_CHARGED, &[&lease.tenant, &lease.import]).await?;
    found.map_or(Ok(false), |row| row.try_get(0))
}

/// Why an import is released, and when it may be claimed again.
#[derive(Debug, Clone, Copy)]
pub enum Release<'a> {
    /// The worker stops: at once.
    HandedOver,
    /// The attempt failed, and the file may have caused it: after this delay.
    Failed { delay: Duration },
    /// A server, a disk or a network failed, which counts against no file: after a delay that grows to a minute. The text
    /// says what it waits for, as "the database is away".
    Waiting { reason: &'a str },
}

/// Releases an import, to be claimed again.
pub async fn release(session: &Session, lease: &Lease, release: Release<'_>) -> Result<(), LeaseError> {
    let (delay, failures, waiting) = match release {
        Release::HandedOver => (Duration::ZERO, 0, None),
        Release::Failed { delay } => (delay, 1, None),
        Release::Waiting { reason } => (Duration::ZERO, 0, Some(reason)),
    };
    crash_point::reached_for(lease.tenant, CrashPoint::BeforeReleaseCommit);
    let released = session
        .execute(
            RELEASE,
            &[&lease.tenant, &lease.import, &lease.attempt, &delay.as_secs_f64(), &failures, &waiting],
        )
        .await?;
    crash_point::reached_for(lease.tenant, CrashPoint::AfterReleaseCommit);
    LeaseError::unless_written(released)
}
