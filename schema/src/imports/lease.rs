//! The lease: which worker works on an import, and until when.

use std::time::Duration;

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::model::{Endpoint, unsigned};
use crate::crash_point::{self, CrashPoint};
use crate::ids::{ImportId, TenantId};
use crate::postgres::client::Session;
use crate::postgres::error::DatabaseError;
use crate::postgres::pool::Connection;
use crate::postgres::tables::imports;
use crate::tenants::tenant::PasswordPolicy;

const CLAIM: &str = include_str!("sql/claim.sql");
const RENEW: &str = include_str!("sql/renew.sql");
const IS_HELD: &str = include_str!("sql/is_held.sql");
const RELEASE: &str = include_str!("sql/release.sql");

pub(crate) const STATEMENTS: &[(&str, &str)] =
    &[("claim", CLAIM), ("renew", RENEW), ("is_held", IS_HELD), ("release", RELEASE)];

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
    /// Rows that already have an outcome. Work resumes after them.
    pub rows_done: u64,
    /// Attempts that failed since the last chunk was merged, including those whose lease expired.
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
    Ok(Some(ClaimedImport {
        lease: Lease { tenant, import, attempt: row.try_get(0)?, length },
        endpoint: row.try_get(1)?,
        charset: row.try_get(2)?,
        rows_done: unsigned(row.try_get(3)?),
        failures: row.try_get(4)?,
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

/// Attempts that failed since the last chunk was merged, without the current one.
pub async fn failures(conn: &mut Connection, lease: &Lease) -> QueryResult<i32> {
    imports::table.find((lease.tenant, lease.import)).select(imports::failures).first(conn).await
}

/// Releases an import, to be tried again after `delay`. `charged` counts the attempt as a failure.
pub async fn release(
    session: &Session,
    lease: &Lease,
    delay: Duration,
    charged: bool,
) -> Result<(), LeaseError> {
    crash_point::reached_for(lease.tenant, CrashPoint::BeforeReleaseCommit);
    let released = session
        .execute(
            RELEASE,
            &[&lease.tenant, &lease.import, &lease.attempt, &delay.as_secs_f64(), &i32::from(charged)],
        )
        .await?;
    crash_point::reached_for(lease.tenant, CrashPoint::AfterReleaseCommit);
    LeaseError::unless_written(released)
}
