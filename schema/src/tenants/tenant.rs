//! Tenants: their settings, and how a request finds its tenant.

use diesel::prelude::*;
use diesel::result::DatabaseErrorKind;
use diesel_async::{AsyncConnection as _, RunQueryDsl};
use serde::Serialize;
use tokio_postgres::Row;

use crate::ids::{ImportId, TenantId};
use crate::postgres::client::Session;
use crate::postgres::error::DatabaseError;
use crate::postgres::pool::Connection;
use crate::postgres::tables::{every_import, every_tenant, tenant_hosts, tenants};
use crate::stored_words::stored_words;

const FOR_HOST: &str = include_str!("sql/tenant_for_host.sql");

const NAMED: &str = include_str!("sql/tenant_named.sql");
const OF_ID: &str = include_str!("sql/tenant_of_id.sql");

pub(crate) const STATEMENTS: &[(&str, &str)] =
    &[("tenant_for_host", FOR_HOST), ("tenant_named", NAMED), ("tenant_of_id", OF_ID)];

/// The default limit of a tenant's uploads: 2 GiB.
pub const DEFAULT_UPLOAD_LIMIT_BYTES: i64 = 2 * 1024 * 1024 * 1024;

/// A tenant and its settings.
#[derive(Debug, Clone, Serialize)]
pub struct Tenant {
    pub id: TenantId,
    /// The name that clients give as `tenantId`, in lower case.
    pub name: String,
    /// The host names whose requests are for this tenant.
    pub hosts: Vec<String>,
    pub password_policy: PasswordPolicy,
    /// The largest upload in bytes.
    pub upload_limit_bytes: i64,
    /// The most unfinished imports.
    pub max_queued_imports: i32,
    /// Whether an import leaves `enabled` and the password of administrators alone.
    pub protect_administrators: bool,
    /// How many presentation groups one import may create.
    pub presentation_group_limit: i32,
}

stored_words! {
    /// When an import applies the password that its file contains.
    pub enum PasswordPolicy ("password policy") {
        /// When it differs from the password that the last import applied to the user: the default.
        WhenChanged = "when-changed",
        /// With every row that contains one.
        Always = "always",
        /// Only when the user is created.
        OnCreate = "on-create",
    }
}

/// A tenant as a request finds it.
#[derive(Debug, Clone, Queryable)]
pub struct FoundTenant {
    pub id: TenantId,
    pub name: String,
    /// The largest upload in bytes.
    pub upload_limit_bytes: i64,
}

impl FoundTenant {
    fn from_row(row: &Row) -> Result<Self, tokio_postgres::Error> {
        Ok(Self { id: row.try_get(0)?, name: row.try_get(1)?, upload_limit_bytes: row.try_get(2)? })
    }
}

/// Why a tenant could not be added or changed.
#[derive(Debug, thiserror::Error)]
pub enum TenantError {
    #[error("a tenant named {0} already exists")]
    NameTaken(String),
    #[error("the host name {0} belongs to another tenant")]
    HostTaken(String),
    #[error(
        "{0:?} cannot be a tenant's name: use 1 to 63 letters, digits, dots, dashes and underscores, but not a UUID"
    )]
    BadName(String),
    #[error("no tenant is named {0}; `rollcall tenant list` shows all tenants")]
    Unknown(String),
    #[error("the database failed")]
    Database(#[from] DatabaseError),
}

impl From<diesel::result::Error> for TenantError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Database(error.into())
    }
}

const COLUMNS: (every_tenant::id, every_tenant::name, every_tenant::upload_limit_bytes) =
    (every_tenant::id, every_tenant::name, every_tenant::upload_limit_bytes);

/// The tenant of this name or id, for a session of no tenant.
pub async fn named(session: &Session, name: &str) -> Result<Option<FoundTenant>, DatabaseError> {
    let found = match name.parse::<TenantId>() {
        Ok(id) => session.query_opt(OF_ID, &[&id]).await?,
        Err(_) => session.query_opt(NAMED, &[&name.to_lowercase()]).await?,
    };
    Ok(found.as_ref().map(FoundTenant::from_row).transpose()?)
}

/// The tenant of a request that names none, for a session of no tenant: the one with the request's host name, else the only
/// tenant there is.
pub async fn for_host(session: &Session, host: Option<&str>) -> Result<Option<FoundTenant>, DatabaseError> {
    let mut found = session.query(FOR_HOST, &[&host.map(host_key)]).await?;
    let (Some(tenant), []) = (found.pop(), &*found) else { return Ok(None) };
    Ok(Some(FoundTenant::from_row(&tenant)?))
}

/// What host names are compared by.
fn host_key(host: &str) -> String {
    host.trim_end_matches('.').to_lowercase()
}

/// The tenant of an import, on a connection of no tenant.
pub async fn of_import(conn: &mut Connection, import: ImportId) -> QueryResult<Option<FoundTenant>> {
    let of_import = every_import::table.filter(every_import::id.eq(import)).select(every_import::tenant_id);
    every_tenant::table
        .filter(every_tenant::id.eq_any(of_import))
        .select(COLUMNS)
        .first(conn)
        .await
        .optional()
}

pub async fn add(
    conn: &mut Connection,
    name: &str,
    hosts: &[String],
    password_policy: PasswordPolicy,
    upload_limit_bytes: i64,
) -> Result<TenantId, TenantError> {
    let name = name.to_lowercase();
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    // A name that parses as an id could never be found by name.
    if name.is_empty() || name.len() > 63 || !name.chars().all(fits) || name.parse::<TenantId>().is_ok() {
        return Err(TenantError::BadName(name));
    }
    let id = TenantId::generate();
    conn.transaction(async |conn| {
        diesel::insert_into(tenants::table)
            .values((
                tenants::id.eq(id),
                tenants::name.eq(&name),
                tenants::password_policy.eq(password_policy),
                tenants::upload_limit_bytes.eq(upload_limit_bytes),
            ))
            .execute(conn)
            .await
            .map_err(|error| if_taken(error, || TenantError::NameTaken(name.clone())))?;
        add_hosts(conn, id, hosts).await
    })
    .await?;
    Ok(id)
}

/// Changes to a tenant. Empty fields leave it as it is.
#[derive(Debug, Clone, Default)]
pub struct TenantUpdate {
    pub remove_hosts: Vec<String>,
    pub add_hosts: Vec<String>,
    pub password_policy: Option<PasswordPolicy>,
    /// The largest upload in bytes.
    pub upload_limit_bytes: Option<i64>,
    /// The most unfinished imports.
    pub max_queued_imports: Option<i32>,
    pub protect_administrators: Option<bool>,
    /// How many presentation groups one import may create.
    pub presentation_group_limit: Option<i32>,
}

/// Applies all changes, or none if one of them fails.
pub async fn update(
    conn: &mut Connection,
    tenant: TenantId,
    update: &TenantUpdate,
) -> Result<(), TenantError> {
    conn.transaction(async |conn| {
        remove_hosts(conn, tenant, &update.remove_hosts).await?;
        add_hosts(conn, tenant, &update.add_hosts).await?;
        if let Some(policy) = update.password_policy {
            set_password_policy(conn, tenant, policy).await?;
        }
        if let Some(bytes) = update.upload_limit_bytes {
            set_upload_limit(conn, tenant, bytes).await?;
        }
        if let Some(imports) = update.max_queued_imports {
            set_max_queued_imports(conn, tenant, imports).await?;
        }
        if let Some(protect) = update.protect_administrators {
            set_protect_administrators(conn, tenant, protect).await?;
        }
        if let Some(groups) = update.presentation_group_limit {
            set_presentation_group_limit(conn, tenant, groups).await?;
        }
        Ok(())
    })
    .await
}

/// Adds host names to a tenant. Those that it already has are skipped.
pub async fn add_hosts(conn: &mut Connection, tenant: TenantId, hosts: &[String]) -> Result<(), TenantError> {
    for host in hosts {
        let host = host_key(host);
        diesel::insert_into(tenant_hosts::table)
            .values((tenant_hosts::tenant_id.eq(tenant), tenant_hosts::host.eq(&host)))
            .on_conflict((tenant_hosts::tenant_id, tenant_hosts::host))
            .do_nothing()
            .execute(conn)
            .await
            .map_err(|error| if_taken(error, || TenantError::HostTaken(host.clone())))?;
    }
    Ok(())
}

/// `taken` for a unique violation; any other error is the database's.
fn if_taken(error: diesel::result::Error, taken: impl FnOnce() -> TenantError) -> TenantError {
    match error {
        diesel::result::Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => taken(),
        other => other.into(),
    }
}

pub async fn remove_hosts(conn: &mut Connection, tenant: TenantId, hosts: &[String]) -> QueryResult<()> {
    let hosts: Vec<String> = hosts.iter().map(|host| host_key(host)).collect();
    diesel::delete(
        tenant_hosts::table
            .filter(tenant_hosts::tenant_id.eq(tenant))
            .filter(tenant_hosts::host.eq_any(hosts)),
    )
    .execute(conn)
    .await?;
    Ok(())
}

pub async fn set_password_policy(
    conn: &mut Connection,
    tenant: TenantId,
    policy: PasswordPolicy,
) -> QueryResult<()> {
    diesel::update(tenants::table.find(tenant))
        .set(tenants::password_policy.eq(policy))
        .execute(conn)
        .await?;
    Ok(())
}

pub async fn set_upload_limit(conn: &mut Connection, tenant: TenantId, bytes: i64) -> QueryResult<()> {
    diesel::update(tenants::table.find(tenant))
        .set(tenants::upload_limit_bytes.eq(bytes))
        .execute(conn)
        .await?;
    Ok(())
}

pub async fn set_max_queued_imports(
    conn: &mut Connection,
    tenant: TenantId,
    imports: i32,
) -> QueryResult<()> {
    diesel::update(tenants::table.find(tenant))
        .set(tenants::max_queued_imports.eq(imports))
        .execute(conn)
        .await?;
    Ok(())
}

pub async fn set_protect_administrators(
    conn: &mut Connection,
    tenant: TenantId,
    protect: bool,
) -> QueryResult<()> {
    diesel::update(tenants::table.find(tenant))
        .set(tenants::protect_administrators.eq(protect))
        .execute(conn)
        .await?;
    Ok(())
}

pub async fn set_presentation_group_limit(
    conn: &mut Connection,
    tenant: TenantId,
    groups: i32,
) -> QueryResult<()> {
    diesel::update(tenants::table.find(tenant))
        .set(tenants::presentation_group_limit.eq(groups))
        .execute(conn)
        .await?;
    Ok(())
}

pub async fn by_name(conn: &mut Connection, name: &str) -> Result<FoundTenant, TenantError> {
    let mut found = every_tenant::table.select(COLUMNS).into_boxed();
    found = match name.parse::<TenantId>() {
        Ok(id) => found.filter(every_tenant::id.eq(id)),
        Err(_) => found.filter(every_tenant::name.eq(name.to_lowercase())),
    };
    found.first(conn).await.optional()?.ok_or_else(|| TenantError::Unknown(name.to_owned()))
}

/// Every tenant, ordered by name.
pub async fn list(conn: &mut Connection) -> QueryResult<Vec<Tenant>> {
    let rows: Vec<(TenantId, String, PasswordPolicy, i64, i32, bool, i32)> = tenants::table
        .select((
            tenants::id,
            tenants::name,
            tenants::password_policy,
            tenants::upload_limit_bytes,
            tenants::max_queued_imports,
            tenants::protect_administrators,
            tenants::presentation_group_limit,
        ))
        .order(tenants::name)
        .load(conn)
        .await?;
    let hosts: Vec<(TenantId, String)> = tenant_hosts::table.order(tenant_hosts::host).load(conn).await?;
    Ok(rows
        .into_iter()
        .map(|(id, name, password_policy, upload_limit_bytes, queued, protect_administrators, groups)| {
            Tenant {
                id,
                name,
                hosts: hosts
                    .iter()
                    .filter(|(tenant, _)| *tenant == id)
                    .map(|(_, host)| host.clone())
                    .collect(),
                password_policy,
                upload_limit_bytes,
                max_queued_imports: queued,
                protect_administrators,
                presentation_group_limit: groups,
            }
        })
        .collect())
}
