//! Merges a chunk of memberships: find the users and the groups that the rows name, then put the one into the
//! other. Being a member already is fine, and costs no write.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_types::{Array, Nullable, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use rollcall_schema::database::Connection;
use rollcall_schema::ids::{GroupId, TenantId};
use rollcall_schema::outcome::{ChunkOutcomes, Outcome};
use rollcall_schema::statement::statement;
use rollcall_schema::tables::{library_groups, system_groups};
use tokio::task::block_in_place;
use uuid::Uuid;

use super::chunk::MembershipChunk;
use super::row::MembershipRow;
use crate::chunk::Merged;
use crate::problem::{Problem, Problems};

/// Merges a chunk, in its transaction.
pub async fn merge_in_txn(
    conn: &mut Connection,
    tenant: TenantId,
    first_row: u64,
    chunk: &MembershipChunk,
) -> QueryResult<Merged> {
    let rows: Vec<_> = block_in_place(|| chunk.rows().collect());
    let users = find_users(conn, tenant, &rows).await?;
    let mut merge = Merge {
        library_groups: load_library_groups(conn, tenant, &rows).await?,
        system_groups: load_system_groups(conn, tenant, &rows).await?,
        library_members: Members::default(),
        system_members: Members::default(),
    };
    let mut outcomes = ChunkOutcomes::starting_at(first_row);
    for (row, user) in rows.into_iter().zip(users) {
        outcomes.push(merge.apply(row, user).map_err(|mut problems| problems.to_text()));
    }
    insert(
        conn,
        tenant,
        "insert into library_group_members (tenant_id, user_id, group_id)
         select $1, new.user_id, new.group_id from unnest($2, $3) as new (user_id, group_id)
         on conflict do nothing",
        merge.library_members,
    )
    .await?;
    insert(
        conn,
        tenant,
        "insert into system_group_members (tenant_id, user_id, group_id)
         select $1, new.user_id, new.group_id from unnest($2, $3) as new (user_id, group_id)
         on conflict do nothing",
        merge.system_members,
    )
    .await?;
    Ok(Merged::Rows { outcomes, sealed_passwords: 0 })
}

struct Merge {
    library_groups: HashMap<String, GroupId>,
    system_groups: HashMap<String, GroupId>,
    library_members: Members,
    system_members: Members,
}

/// Who is to be in which group: two columns, as `unnest` takes them.
#[derive(Default)]
struct Members {
    users: Vec<Uuid>,
    groups: Vec<Uuid>,
}

impl Members {
    fn put(&mut self, user: Uuid, group: Option<GroupId>) {
        if let Some(group) = group {
            self.users.push(user);
            self.groups.push(group.as_uuid());
        }
    }
}

impl Merge {
    /// Applies the next row of the file, of the user that was found for it. Rows cannot touch each other: a membership
    /// is there or it is not.
    fn apply(&mut self, row: MembershipRow<'_>, user: Option<Uuid>) -> Result<Outcome, Problems> {
        let mut problems = row.problems;
        let mut find = |name: Option<&str>, known: &HashMap<String, GroupId>, unknown: Problem| {
            let found = known.get(name?).copied();
            if found.is_none() {
                problems.push(unknown);
            }
            found
        };
        let library = find(row.library_group, &self.library_groups, Problem::UNDEFINED_LIBRARY_GROUP);
        let system = find(row.system_group, &self.system_groups, Problem::UNDEFINED_SYSTEM_GROUP);
        if row.username.is_some() && user.is_none() {
            problems.push(Problem::UNKNOWN_USER);
        }
        let Some(user) = user.filter(|_| problems.is_empty()) else { return Err(problems) };
        self.library_members.put(user, library);
        self.system_members.put(user, system);
        Ok(Outcome::Updated)
    }
}

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = Array<Nullable<SqlUuid>>)]
    users: Vec<Option<Uuid>>,
}

/// The id of each row's user, as one array in the order of the rows: cheaper on the way back than a row for each.
async fn find_users(
    conn: &mut Connection,
    tenant: TenantId,
    rows: &[MembershipRow<'_>],
) -> QueryResult<Vec<Option<Uuid>>> {
    let found: Found = statement(
        "select coalesce(array_agg(users.id order by named.n), '{}') as users
           from unnest($2) with ordinality as named (key, n)
           left join users on users.tenant_id = $1 and users.username_key = named.key",
    )
    .bind::<SqlUuid, _>(tenant)
    .bind::<Array<Nullable<Text>>, _>(rows.iter().map(|row| row.username.as_deref()).collect::<Vec<_>>())
    .get_result(conn)
    .await?;
    Ok(found.users)
}

async fn load_library_groups(
    conn: &mut Connection,
    tenant: TenantId,
    rows: &[MembershipRow<'_>],
) -> QueryResult<HashMap<String, GroupId>> {
    let found: Vec<(String, GroupId)> = library_groups::table
        .filter(library_groups::tenant_id.eq(tenant))
        .filter(library_groups::name.eq_any(distinct(rows, |row| row.library_group)))
        .select((library_groups::name, library_groups::id))
        .load(conn)
        .await?;
    Ok(found.into_iter().collect())
}

async fn load_system_groups(
    conn: &mut Connection,
    tenant: TenantId,
    rows: &[MembershipRow<'_>],
) -> QueryResult<HashMap<String, GroupId>> {
    let found: Vec<(String, GroupId)> = system_groups::table
        .filter(system_groups::tenant_id.eq(tenant))
        .filter(system_groups::name.eq_any(distinct(rows, |row| row.system_group)))
        .select((system_groups::name, system_groups::id))
        .load(conn)
        .await?;
    Ok(found.into_iter().collect())
}

fn distinct<'a>(
    rows: &[MembershipRow<'a>],
    cell: impl Fn(&MembershipRow<'a>) -> Option<&'a str>,
) -> Vec<&'a str> {
    let mut values: Vec<&str> = rows.iter().filter_map(cell).collect();
    values.sort_unstable();
    values.dedup();
    values
}

async fn insert(
    conn: &mut Connection,
    tenant: TenantId,
    sql: &'static str,
    members: Members,
) -> QueryResult<()> {
    if members.users.is_empty() {
        return Ok(());
    }
    statement(sql)
        .bind::<SqlUuid, _>(tenant)
        .bind::<Array<SqlUuid>, _>(members.users)
        .bind::<Array<SqlUuid>, _>(members.groups)
        .execute(conn)
        .await?;
    Ok(())
}
