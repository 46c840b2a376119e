//! Tenants: how a request finds its own, and the settings each has.

use diesel::prelude::*;
use diesel::result::DatabaseErrorKind;
use diesel_async::{AsyncConnection as _, RunQueryDsl};
use serde::Serialize;

use crate::database::Connection;
use crate::ids::{ImportId, TenantId};
use crate::tables::{imports, tenant_hosts, tenants};

/// The largest upload that a tenant may send unless it is told otherwise: 2 GiB.
pub const DEFAULT_UPLOAD_LIMIT_BYTES: i64 = 2 * 1024 * 1024 * 1024;

/// A tenant and its settings.
#[derive(Debug, Clone, Serialize)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// The name that clients give as `tenantId`, in lower case.
    pub name: String,
    /// The host names whose requests are for this tenant.
    pub hosts: Vec<String>,
    /// When an import sets a password that its file gives.
    pub password_policy: PasswordPolicy,
    /// The largest upload in bytes.
    pub upload_limit_bytes: i64,
}

/// When an import sets a password that its file gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PasswordPolicy {
    /// When it differs from the one that the last import applied to the user: the default.
    WhenChanged,
    /// With every row that gives one.
    Always,
    /// Only when the user is created.
    OnCreate,
}

impl PasswordPolicy {
    /// The name that is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WhenChanged => "when-changed",
            Self::Always => "always",
            Self::OnCreate => "on-create",
        }
    }

    /// Parses [`Self::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::WhenChanged, Self::Always, Self::OnCreate].into_iter().find(|policy| policy.as_str() == text)
    }
}

/// A tenant as a request finds it.
#[derive(Debug, Clone, Queryable)]
pub struct FoundTenant {
    /// Its id.
    pub id: TenantId,
    /// Its name.
    pub name: String,
    /// The largest upload in bytes.
    pub upload_limit_bytes: i64,
}

/// What is wrong with a tenant that somebody wants to add or change.
#[derive(Debug, thiserror::Error)]
pub enum TenantError {
    /// The name is taken.
    #[error("there is a tenant named {0} already")]
    NameTaken(String),
    /// A host name belongs to another tenant.
    #[error("the host name {0} belongs to another tenant")]
    HostTaken(String),
    /// The name cannot be a tenant's.
    #[error(
        "{0:?} cannot be a tenant's name: use 1 to 63 letters, digits, dots, dashes and underscores, and no UUID"
    )]
    BadName(String),
    /// There is no such tenant.
    #[error("there is no tenant named {0}; `rollcall tenant list` shows them")]
    Unknown(String),
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] diesel::result::Error),
}

const COLUMNS: (tenants::id, tenants::name, tenants::upload_limit_bytes) =
    (tenants::id, tenants::name, tenants::upload_limit_bytes);

/// The tenant of a request: the one named (by name or id) where one is named, else the one whose host name the
/// request used, else the only one there is.
pub async fn resolve(
    conn: &mut Connection,
    named: Option<&str>,
    host: Option<&str>,
) -> QueryResult<Option<FoundTenant>> {
    if let Some(name) = named {
        if let Ok(id) = name.parse::<TenantId>() {
            return tenants::table.find(id).select(COLUMNS).first(conn).await.optional();
        }
        return tenants::table
            .filter(tenants::name.eq(name.to_lowercase()))
            .select(COLUMNS)
            .first(conn)
            .await
            .optional();
    }
    if let Some(host) = host {
        let by_host = tenant_hosts::table
            .inner_join(tenants::table.on(tenants::id.eq(tenant_hosts::tenant_id)))
            .filter(tenant_hosts::host.eq(host.trim_end_matches('.').to_lowercase()))
            .select(COLUMNS)
            .first(conn)
            .await
            .optional()?;
        if by_host.is_some() {
            return Ok(by_host);
        }
    }
    let mut any: Vec<FoundTenant> = tenants::table.select(COLUMNS).limit(2).load(conn).await?;
    Ok(any.pop().filter(|_| any.is_empty()))
}

/// The tenant of an import.
pub async fn of_import(conn: &mut Connection, import: ImportId) -> QueryResult<Option<FoundTenant>> {
    let of_import = imports::table.filter(imports::id.eq(import)).select(imports::tenant_id);
    tenants::table.filter(tenants::id.eq_any(of_import)).select(COLUMNS).first(conn).await.optional()
}

/// Adds a tenant.
pub async fn add(
    conn: &mut Connection,
    name: &str,
    hosts: &[String],
    password_policy: PasswordPolicy,
    upload_limit_bytes: i64,
) -> Result<TenantId, TenantError> {
    let name = name.to_lowercase();
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    // A name that reads as an id could never be found by it.
    if name.is_empty() || name.len() > 63 || !name.chars().all(fits) || name.parse::<TenantId>().is_ok() {
        return Err(TenantError::BadName(name));
    }
    let id = TenantId::generate();
    conn.transaction(async |conn| {
        diesel::insert_into(tenants::table)
            .values((
                tenants::id.eq(id),
                tenants::name.eq(&name),
                tenants::password_policy.eq(password_policy.as_str()),
                tenants::upload_limit_bytes.eq(upload_limit_bytes),
            ))
            .execute(conn)
            .await
            .map_err(|error| taken(error, || TenantError::NameTaken(name.clone())))?;
        add_hosts(conn, id, hosts).await
    })
    .await?;
    Ok(id)
}

/// What an operator changes of a tenant. What is empty stays as it is.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// Host names to take away.
    pub remove_hosts: Vec<String>,
    /// Host names to give.
    pub add_hosts: Vec<String>,
    /// When imports set passwords.
    pub password_policy: Option<PasswordPolicy>,
    /// The largest upload in bytes.
    pub upload_limit_bytes: Option<i64>,
}

/// Changes a tenant: everything that was asked, or nothing if a part of it is refused.
pub async fn change(conn: &mut Connection, tenant: TenantId, change: &Change) -> Result<(), TenantError> {
    conn.transaction(async |conn| {
        remove_hosts(conn, tenant, &change.remove_hosts).await?;
        add_hosts(conn, tenant, &change.add_hosts).await?;
        if let Some(policy) = change.password_policy {
            set_password_policy(conn, tenant, policy).await?;
        }
        if let Some(bytes) = change.upload_limit_bytes {
            set_upload_limit(conn, tenant, bytes).await?;
        }
        Ok(())
    })
    .await
}

/// Gives a tenant further host names. One that it has already is fine.
pub async fn add_hosts(conn: &mut Connection, tenant: TenantId, hosts: &[String]) -> Result<(), TenantError> {
    for host in hosts {
        let host = host.trim_end_matches('.').to_lowercase();
        diesel::insert_into(tenant_hosts::table)
            .values((tenant_hosts::tenant_id.eq(tenant), tenant_hosts::host.eq(&host)))
            .on_conflict((tenant_hosts::tenant_id, tenant_hosts::host))
            .do_nothing()
            .execute(conn)
            .await
            .map_err(|error| taken(error, || TenantError::HostTaken(host.clone())))?;
    }
    Ok(())
}

fn taken(error: diesel::result::Error, name: impl FnOnce() -> TenantError) -> TenantError {
    match error {
        diesel::result::Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => name(),
        other => TenantError::Database(other),
    }
}

/// Takes host names from a tenant.
pub async fn remove_hosts(conn: &mut Connection, tenant: TenantId, hosts: &[String]) -> QueryResult<()> {
    let hosts: Vec<String> = hosts.iter().map(|host| host.trim_end_matches('.').to_lowercase()).collect();
    diesel::delete(
        tenant_hosts::table
            .filter(tenant_hosts::tenant_id.eq(tenant))
            .filter(tenant_hosts::host.eq_any(hosts)),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Sets when imports set passwords.
pub async fn set_password_policy(
    conn: &mut Connection,
    tenant: TenantId,
    policy: PasswordPolicy,
) -> QueryResult<()> {
    diesel::update(tenants::table.find(tenant))
        .set(tenants::password_policy.eq(policy.as_str()))
        .execute(conn)
        .await?;
    Ok(())
}

/// Sets the largest upload.
pub async fn set_upload_limit(conn: &mut Connection, tenant: TenantId, bytes: i64) -> QueryResult<()> {
    diesel::update(tenants::table.find(tenant))
        .set(tenants::upload_limit_bytes.eq(bytes))
        .execute(conn)
        .await?;
    Ok(())
}

/// The tenant of this name.
pub async fn by_name(conn: &mut Connection, name: &str) -> Result<FoundTenant, TenantError> {
    resolve(conn, Some(name), None).await?.ok_or_else(|| TenantError::Unknown(name.to_owned()))
}

/// Every tenant, by name. For the operator.
pub async fn list(conn: &mut Connection) -> QueryResult<Vec<Tenant>> {
    let rows: Vec<(TenantId, String, String, i64)> = tenants::table
        .select((tenants::id, tenants::name, tenants::password_policy, tenants::upload_limit_bytes))
        .order(tenants::name)
        .load(conn)
        .await?;
    let hosts: Vec<(TenantId, String)> = tenant_hosts::table.order(tenant_hosts::host).load(conn).await?;
    Ok(rows
        .into_iter()
        .map(|(id, name, policy, upload_limit_bytes)| Tenant {
            id,
            name,
            hosts: hosts.iter().filter(|(tenant, _)| *tenant == id).map(|(_, host)| host.clone()).collect(),
            password_policy: PasswordPolicy::parse(&policy).unwrap_or(PasswordPolicy::WhenChanged),
            upload_limit_bytes,
        })
        .collect())
}
