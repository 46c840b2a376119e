//! Merges a chunk of memberships: find the users and groups that the rows name, then insert the memberships. Being a
//! member already is fine, and costs no write.

use std::collections::HashMap;

use futures_util::future::{try_join, try_join3};
use rollcall_schema::ids::{GroupId, TenantId};
use rollcall_schema::imports::outcomes::ChunkOutcomes;
use rollcall_schema::imports::tally::Outcome;
use rollcall_schema::postgres::client::Session;
use tokio_postgres::{Error, Row};
use uuid::Uuid;

use super::row::MembershipRow;
use crate::rows::merged::MergedRows;
use crate::rows::problem::{Problem, Problems};

pub const FIND_USERS: &str = include_str!("sql/find_users.sql");
pub const FIND_LIBRARY_GROUPS: &str = include_str!("sql/find_library_groups.sql");
pub const FIND_SYSTEM_GROUPS: &str = include_str!("sql/find_system_groups.sql");
pub const INSERT_LIBRARY_MEMBERS: &str = include_str!("sql/insert_library_members.sql");
pub const INSERT_SYSTEM_MEMBERS: &str = include_str!("sql/insert_system_members.sql");

/// Merges a chunk's rows in its transaction. `found` is the result of [`find`] in that transaction.
pub async fn merge_in_txn(
    txn: &Session,
    tenant: TenantId,
    first_row: u64,
    rows: Vec<MembershipRow<'_>>,
    found: Found,
) -> Result<MergedRows, Error> {
    let mut merge = Merge {
        library_groups: by_name(&found.library_groups)?,
        system_groups: by_name(&found.system_groups)?,
        library_members: Members::default(),
        system_members: Members::default(),
    };
    let users: Vec<Option<Uuid>> = found.users.try_get(0)?;
    let mut outcomes = ChunkOutcomes::starting_at(first_row);
    for (row, user) in rows.into_iter().zip(users) {
        outcomes.push(merge.apply(row, user).map_err(|mut problems| problems.to_text()));
    }
    try_join(
        insert(txn, tenant, INSERT_LIBRARY_MEMBERS, &merge.library_members),
        insert(txn, tenant, INSERT_SYSTEM_MEMBERS, &merge.system_members),
    )
    .await?;
    Ok(MergedRows { outcomes, sealed_passwords: 0 })
}

/// The users and groups that a chunk's rows name, as far as they exist.
pub struct Found {
    /// The id of each row's user, as one array in the order of the rows.
    users: Row,
    library_groups: Vec<Row>,
    system_groups: Vec<Row>,
}

/// Finds the users and the groups that the rows name.
pub async fn find(session: &Session, tenant: TenantId, rows: &[MembershipRow<'_>]) -> Result<Found, Error> {
    let tenant = tenant.as_uuid();
    let usernames: Vec<Option<&str>> = rows.iter().map(|row| row.username.as_deref()).collect();
    let library_groups = distinct(rows, |row| row.library_group);
    let system_groups = distinct(rows, |row| row.system_group);
    let (users, library_groups, system_groups) = try_join3(
        session.query_one(FIND_USERS, &[&tenant, &usernames]),
        session.query(FIND_LIBRARY_GROUPS, &[&tenant, &library_groups]),
        session.query(FIND_SYSTEM_GROUPS, &[&tenant, &system_groups]),
    )
    .await?;
    Ok(Found { users, library_groups, system_groups })
}

fn by_name(groups: &[Row]) -> Result<HashMap<&str, GroupId>, Error> {
    groups.iter().map(|group| Ok((group.try_get(0)?, group.try_get::<_, Uuid>(1)?.into()))).collect()
}

struct Merge<'a> {
    library_groups: HashMap<&'a str, GroupId>,
    system_groups: HashMap<&'a str, GroupId>,
    library_members: Members,
    system_members: Members,
}

/// New memberships: two columns, as `unnest` takes them.
#[derive(Default)]
struct Members {
    users: Vec<Uuid>,
    groups: Vec<Uuid>,
}

impl Members {
    fn push(&mut self, user: Uuid, group: Option<GroupId>) {
        if let Some(group) = group {
            self.users.push(user);
            self.groups.push(group.as_uuid());
        }
    }
}

impl Merge<'_> {
    /// Applies the next row of the file to the user that was found for it. Rows do not depend on each other: a
    /// membership exists or it does not.
    fn apply(&mut self, row: MembershipRow<'_>, user: Option<Uuid>) -> Result<Outcome, Problems> {
        let mut problems = row.problems;
        let mut find = |name: Option<&str>, known: &HashMap<&str, GroupId>, unknown: Problem| {
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
        self.library_members.push(user, library);
        self.system_members.push(user, system);
        Ok(Outcome::Updated)
    }
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

async fn insert(txn: &Session, tenant: TenantId, sql: &'static str, members: &Members) -> Result<(), Error> {
    if members.users.is_empty() {
        return Ok(());
    }
    txn.execute(sql, &[&tenant.as_uuid(), &members.users, &members.groups]).await?;
    Ok(())
}
