//! The audit as `rollcall audit` shows it.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::ids::TenantId;
use crate::postgres::client::Session;
use crate::postgres::error::DatabaseError;

const LIST: &str = include_str!("sql/list.sql");

pub(crate) const STATEMENTS: &[(&str, &str)] = &[("audit", LIST)];

/// A row of the audit. Scripts rely on the keys. Words are shown as they are stored, those of a newer version included.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditView {
    pub id: i64,
    pub at: DateTime<Utc>,
    /// The tenant's name, or its id where it was deleted; null for what concerns the installation.
    pub tenant: Option<String>,
    pub actor_kind: String,
    pub actor: String,
    pub origin: String,
    pub action: String,
    pub object: String,
    pub details: Option<String>,
    /// How the import ended, or its state; null for what is no import.
    pub result: Option<String>,
}

/// The newest rows first, at most `limit`: of one tenant or of all and the installation, since a time if one is given.
pub async fn list(
    session: &Session,
    tenant: Option<TenantId>,
    since: Option<DateTime<Utc>>,
    limit: i64,
) -> Result<Vec<AuditView>, DatabaseError> {
    let rows = session.query(LIST, &[&tenant, &since, &limit]).await?;
    let view = |row: &tokio_postgres::Row| {
        Ok::<_, tokio_postgres::Error>(AuditView {
            id: row.try_get("id")?,
            at: row.try_get("at")?,
            tenant: row.try_get("tenant")?,
            actor_kind: row.try_get("actor_kind")?,
            actor: row.try_get("actor")?,
            origin: row.try_get("origin")?,
            action: row.try_get("action")?,
            object: row.try_get("object")?,
            details: row.try_get("details")?,
            result: row.try_get("result")?,
        })
    };
    Ok(rows.iter().map(view).collect::<Result<_, _>>()?)
}
