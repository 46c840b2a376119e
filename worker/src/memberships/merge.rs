//! Merges a chunk of memberships: find the users and the groups that the rows name, then put the one into the
//! other. Being a member already is fine, and costs no write.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_types::{Array, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use rollcall_schema::database::Connection;
use rollcall_schema::ids::{GroupId, TenantId, UserId};
use rollcall_schema::outcome::{ChunkOutcomes, Outcome};
use rollcall_schema::tables::{library_groups, system_groups, users};
use uuid::Uuid;

use super::row::MembershipRow;
use crate::problem::{Problem, Problems};

/// Merges a chunk, in its transaction.
pub async fn merge_in_txn(
    conn: &mut Connection,
    tenant: TenantId,
    first_row: u64,
    rows: Vec<MembershipRow>,
) -> QueryResult<ChunkOutcomes> {
    let mut merge = Merge {
        users: load_users(conn, tenant, &rows).await?,
        library_groups: load_library_groups(conn, tenant, &rows).await?,
        system_groups: load_system_groups(conn, tenant, &rows).await?,
        library_members: Vec::new(),
        system_members: Vec::new(),
    };
    let mut outcomes = ChunkOutcomes::starting_at(first_row);
    for row in rows {
        outcomes.push(merge.apply(row).map_err(|mut problems| problems.to_text()));
    }
    insert(
        conn,
        tenant,
        "insert into library_group_members (tenant_id, user_id, group_id)
         select distinct $1, new.user_id, new.group_id from unnest($2, $3) as new (user_id, group_id)
         on conflict do nothing",
        &merge.library_members,
    )
    .await?;
    insert(
        conn,
        tenant,
        "insert into system_group_members (tenant_id, user_id, group_id)
         select distinct $1, new.user_id, new.group_id from unnest($2, $3) as new (user_id, group_id)
         on conflict do nothing",
        &merge.system_members,
    )
    .await?;
    Ok(outcomes)
}

struct Merge {
    users: HashMap<String, UserId>,
    library_groups: HashMap<String, GroupId>,
    system_groups: HashMap<String, GroupId>,
    library_members: Vec<(UserId, GroupId)>,
    system_members: Vec<(UserId, GroupId)>,
}

impl Merge {
    /// Applies the next row of the file. Rows cannot touch each other: a membership is there or it is not.
    fn apply(&mut self, row: MembershipRow) -> Result<Outcome, Problems> {
        let mut problems = row.problems;
        let mut find = |name: Option<String>, known: &HashMap<String, GroupId>, unknown: Problem| {
            let name = name?;
            let found = known.get(&name).copied();
            if found.is_none() {
                problems.push(unknown);
            }
            found
        };
        let library = find(row.library_group, &self.library_groups, Problem::UNDEFINED_LIBRARY_GROUP);
        let system = find(row.system_group, &self.system_groups, Problem::UNDEFINED_SYSTEM_GROUP);
        let user = row.username.as_ref().and_then(|key| self.users.get(key)).copied();
        if row.username.is_some() && user.is_none() {
            problems.push(Problem::UNKNOWN_USER);
        }
        let Some(user) = user.filter(|_| problems.is_empty()) else { return Err(problems) };
        self.library_members.extend(library.map(|group| (user, group)));
        self.system_members.extend(system.map(|group| (user, group)));
        Ok(Outcome::Updated)
    }
}

async fn load_users(
    conn: &mut Connection,
    tenant: TenantId,
    rows: &[MembershipRow],
) -> QueryResult<HashMap<String, UserId>> {
    let keys = distinct(rows, |row| row.username.as_deref());
    let found: Vec<(String, UserId)> = users::table
        .filter(users::tenant_id.eq(tenant))
        .filter(users::username_key.eq_any(keys))
        .select((users::username_key, users::id))
        .load(conn)
        .await?;
    Ok(found.into_iter().collect())
}

async fn load_library_groups(
    conn: &mut Connection,
    tenant: TenantId,
    rows: &[MembershipRow],
) -> QueryResult<HashMap<String, GroupId>> {
    let names = distinct(rows, |row| row.library_group.as_deref());
    let found: Vec<(String, GroupId)> = library_groups::table
        .filter(library_groups::tenant_id.eq(tenant))
        .filter(library_groups::name.eq_any(names))
        .select((library_groups::name, library_groups::id))
        .load(conn)
        .await?;
    Ok(found.into_iter().collect())
}

async fn load_system_groups(
    conn: &mut Connection,
    tenant: TenantId,
    rows: &[MembershipRow],
) -> QueryResult<HashMap<String, GroupId>> {
    let names = distinct(rows, |row| row.system_group.as_deref());
    let found: Vec<(String, GroupId)> = system_groups::table
        .filter(system_groups::tenant_id.eq(tenant))
        .filter(system_groups::name.eq_any(names))
        .select((system_groups::name, system_groups::id))
        .load(conn)
        .await?;
    Ok(found.into_iter().collect())
}

fn distinct(rows: &[MembershipRow], cell: impl Fn(&MembershipRow) -> Option<&str>) -> Vec<&str> {
    let mut values: Vec<&str> = rows.iter().filter_map(cell).collect();
    values.sort_unstable();
    values.dedup();
    values
}

async fn insert(
    conn: &mut Connection,
    tenant: TenantId,
    statement: &'static str,
    members: &[(UserId, GroupId)],
) -> QueryResult<()> {
    if members.is_empty() {
        return Ok(());
    }
    let (users, groups): (Vec<Uuid>, Vec<Uuid>) =
        members.iter().map(|(user, group)| (user.as_uuid(), group.as_uuid())).unzip();
    diesel::sql_query(statement)
        .bind::<SqlUuid, _>(tenant)
        .bind::<Array<SqlUuid>, _>(users)
        .bind::<Array<SqlUuid>, _>(groups)
        .execute(conn)
        .await?;
    Ok(())
}
