//! Deleting presentation groups that no user is in.
//!
//! Imports make them, one for each new label, so they would remain for ever. A tenant is searched once after its imports.
//! There is no foreign key from users to groups; why a group is never deleted that an import is about to put a user in is
//! proved in the worker's `merge` module.

use crate::ids::TenantId;
use crate::postgres::client::{Session, Transaction};

const TENANTS_TO_SWEEP: &str = include_str!("sql/tenants_to_sweep.sql");
const LOCK_IDLE_TENANT: &str = include_str!("sql/lock_idle_tenant.sql");
const SWEEP_GROUPS: &str = include_str!("sql/sweep_groups.sql");
const MARK_GROUPS_SWEPT: &str = include_str!("sql/mark_groups_swept.sql");

pub(crate) const STATEMENTS: &[(&str, &str)] = &[
    ("tenants_to_sweep", TENANTS_TO_SWEEP),
    ("lock_idle_tenant", LOCK_IDLE_TENANT),
    ("sweep_groups", SWEEP_GROUPS),
    ("mark_groups_swept", MARK_GROUPS_SWEPT),
];

type Result<T> = std::result::Result<T, tokio_postgres::Error>;

/// Groups deleted in one transaction. Uploads of the tenant wait for it.
const BATCH: i64 = 20_000;

/// Tenants that have had imports since their groups were searched last, and have none that is not finished.
pub async fn tenants_to_sweep(session: &Session, limit: i64) -> Result<Vec<TenantId>> {
    let rows = session.query(TENANTS_TO_SWEEP, &[&limit]).await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

/// What a sweep of a tenant has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Swept {
    pub deleted: u64,
    /// More may be left, or the tenant has an import now.
    pub is_partial: bool,
}

/// Deletes a tenant's presentation groups that no user is in, up to a limit, unless the tenant has an import now.
pub async fn sweep(txn: Transaction, tenant: TenantId) -> Result<Swept> {
    txn.begin().await?;
    let Some(locked) = txn.query_opt(LOCK_IDLE_TENANT, &[&tenant]).await? else {
        txn.roll_back().await?;
        return Ok(Swept { deleted: 0, is_partial: false });
    };
    let position: i64 = locked.try_get(0)?;
    // A statement of its own, which sees every import that was submitted before the tenant was locked.
    let row = txn.query_one(SWEEP_GROUPS, &[&tenant, &BATCH]).await?;
    let (is_idle, deleted): (bool, i64) = (row.try_get(0)?, row.try_get(1)?);
    if is_idle && deleted < BATCH {
        txn.execute(MARK_GROUPS_SWEPT, &[&tenant, &position]).await?;
    }
    txn.commit().await?;
    Ok(Swept { deleted: deleted.unsigned_abs(), is_partial: deleted == BATCH })
}
