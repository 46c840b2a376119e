//! Which uploads may be deleted.

use std::time::Duration;

use tokio_postgres::Row;
use uuid::Uuid;

use crate::crash_point::{self, CrashPoint};
use crate::ids::{ImportId, TenantId};
use crate::postgres::client::Session;

const EXPIRE_UPLOADS: &str = include_str!("sql/expire_uploads.sql");
const ORPHANED_UPLOADS: &str = include_str!("sql/orphaned_uploads.sql");

pub(crate) const STATEMENTS: &[(&str, &str)] =
    &[("expire_uploads", EXPIRE_UPLOADS), ("orphaned_uploads", ORPHANED_UPLOADS)];

type Result<T> = std::result::Result<T, tokio_postgres::Error>;

/// Marks the uploads of imports that finished longer than `retention` ago as deleted, `limit` at most, and returns them.
/// They are to be deleted now that their imports cannot be retried any more. If one is not deleted, it is
/// [`orphaned`].
pub async fn expire_uploads(
    session: &Session,
    retention: Duration,
    limit: i64,
) -> Result<Vec<(TenantId, ImportId)>> {
    let rows = session.query(EXPIRE_UPLOADS, &[&retention.as_secs_f64(), &limit]).await?;
    let expired = rows.iter().map(upload).collect::<Result<Vec<_>>>()?;
    for (tenant, _) in &expired {
        crash_point::reached_for(*tenant, CrashPoint::AfterUploadsExpiredCommit);
    }
    Ok(expired)
}

/// Those of the stored `uploads` that no import needs: the import does not exist, or its upload is marked as deleted.
pub async fn orphaned(
    session: &Session,
    uploads: &[(TenantId, ImportId)],
) -> Result<Vec<(TenantId, ImportId)>> {
    let tenants: Vec<Uuid> = uploads.iter().map(|(tenant, _)| tenant.as_uuid()).collect();
    let imports: Vec<Uuid> = uploads.iter().map(|(_, import)| import.as_uuid()).collect();
    let rows = session.query(ORPHANED_UPLOADS, &[&tenants, &imports]).await?;
    rows.iter().map(upload).collect()
}

fn upload(row: &Row) -> Result<(TenantId, ImportId)> {
    Ok((row.try_get(0)?, row.try_get(1)?))
}
