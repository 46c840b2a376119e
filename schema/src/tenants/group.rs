//! Library groups and system groups. The operator defines them; imports only add members.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde::Serialize;

use crate::ids::{GroupId, TenantId};
use crate::names::normalized;
use crate::postgres::pool::Connection;
use crate::postgres::tables::{library_groups, system_groups};

/// The kinds of group that an operator defines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum GroupKind {
    /// What a patron may borrow and see.
    Library,
    /// What a user may do; some grant system administration.
    System,
}

/// A group that an operator defined.
#[derive(Debug, Clone, Serialize)]
pub struct Group {
    pub kind: GroupKind,
    /// Files refer to the group by this name. In the form of [`normalized`].
    pub name: String,
    /// Whether its members are system administrators.
    pub grants_administration: bool,
}

/// Defines a library group. Returns whether it is new.
pub async fn add_library_group(conn: &mut Connection, tenant: TenantId, name: &str) -> QueryResult<bool> {
    let added = diesel::insert_into(library_groups::table)
        .values((
            library_groups::tenant_id.eq(tenant),
            library_groups::id.eq(GroupId::generate()),
            library_groups::name.eq(normalized(name)),
        ))
        .on_conflict((library_groups::tenant_id, library_groups::name))
        .do_nothing()
        .execute(conn)
        .await?;
    Ok(added == 1)
}

/// Defines a system group. Returns whether it is new; an existing group keeps what it grants.
pub async fn add_system_group(
    conn: &mut Connection,
    tenant: TenantId,
    name: &str,
    grants_administration: bool,
) -> QueryResult<bool> {
    let added = diesel::insert_into(system_groups::table)
        .values((
            system_groups::tenant_id.eq(tenant),
            system_groups::id.eq(GroupId::generate()),
            system_groups::name.eq(normalized(name)),
            system_groups::grants_administration.eq(grants_administration),
        ))
        .on_conflict((system_groups::tenant_id, system_groups::name))
        .do_nothing()
        .execute(conn)
        .await?;
    Ok(added == 1)
}

/// The tenant's library and system groups, by kind and name.
pub async fn list(conn: &mut Connection, tenant: TenantId) -> QueryResult<Vec<Group>> {
    let library: Vec<String> = library_groups::table
        .filter(library_groups::tenant_id.eq(tenant))
        .order(library_groups::name)
        .select(library_groups::name)
        .load(conn)
        .await?;
    let system: Vec<(String, bool)> = system_groups::table
        .filter(system_groups::tenant_id.eq(tenant))
        .order(system_groups::name)
        .select((system_groups::name, system_groups::grants_administration))
        .load(conn)
        .await?;
    let library = library.into_iter().map(|name| Group {
        kind: GroupKind::Library,
        name,
        grants_administration: false,
    });
    let system = system.into_iter().map(|(name, grants_administration)| Group {
        kind: GroupKind::System,
        name,
        grants_administration,
    });
    Ok(library.chain(system).collect())
}
