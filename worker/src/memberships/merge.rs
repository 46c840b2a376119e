//! Merges a chunk of memberships: find the users and groups that the rows name, then insert the memberships. Being a
//! member already is fine, and costs no write.

use std::collections::{HashMap, HashSet};

use futures_util::future::try_join3;
use rollcall_schema::audit::Action;
use rollcall_schema::ids::{GroupId, ImportId, TenantId};
use rollcall_schema::imports::outcomes::ChunkOutcomes;
use rollcall_schema::imports::tally::Outcome;
use rollcall_schema::postgres::client::Session;
use tokio_postgres::{Error, Row};
use uuid::Uuid;

use super::census::Memberships;
use super::chunk::CountedRows;
use super::row::MembershipRow;
use crate::census::is_roster_changed;
use crate::rows::merged::MergedRows;
use crate::rows::problem::{Problem, Problems};

pub const FIND_USERS: &str = include_str!("sql/find_users.sql");
pub const FIND_LIBRARY_GROUPS: &str = include_str!("sql/find_library_groups.sql");
pub const FIND_SYSTEM_GROUPS: &str = include_str!("sql/find_system_groups.sql");
pub const INSERT_LIBRARY_MEMBERS: &str = include_str!("sql/insert_library_members.sql");
pub const INSERT_SYSTEM_MEMBERS: &str = include_str!("sql/insert_system_members.sql");
pub const INSERT_NEW_LIBRARY_MEMBERS: &str = include_str!("sql/insert_new_library_members.sql");
pub const INSERT_NEW_SYSTEM_MEMBERS: &str = include_str!("sql/insert_new_system_members.sql");
pub const INSERT_GRANTING_MEMBERS: &str = include_str!("sql/insert_granting_members.sql");

/// Merges a chunk's rows in its transaction. `found` is the result of [`find`] in that transaction.
pub async fn merge_in_txn(
    txn: &Session,
    tenant: TenantId,
    import: ImportId,
    first_row: u64,
    rows: &[MembershipRow<'_>],
    found: Found<'_>,
) -> Result<MergedRows, Error> {
    let (library_insert, system_insert) = if found.memberships.is_some() {
        (INSERT_NEW_LIBRARY_MEMBERS, INSERT_NEW_SYSTEM_MEMBERS)
    } else {
        (INSERT_LIBRARY_MEMBERS, INSERT_SYSTEM_MEMBERS)
    };
    let mut merge = Merge {
        counted: found.memberships,
        library_groups: library_groups(&found.library_groups)?,
        system_groups: system_groups(&found.system_groups)?,
        library_members: Members::default(),
        system_members: Members::default(),
        granting_members: Members::default(),
        grants: Vec::new(),
    };
    let mut outcomes = ChunkOutcomes::starting_at(first_row);
    for ((row, user), number) in rows.iter().zip(found.users).zip(first_row..) {
        outcomes.push(merge.apply(row, user, number).map_err(|mut problems| problems.to_text()));
    }
    let ((), (), granted) = try_join3(
        insert(txn, tenant, library_insert, merge.library_members),
        insert(txn, tenant, system_insert, merge.system_members),
        insert_granting(txn, tenant, import, merge.granting_members),
    )
    .await?;
    let warnings = grant_warnings(&merge.grants, granted);
    Ok(MergedRows { outcomes, sealed_passwords: 0, new_groups: 0, warnings })
}

/// The users and groups that a chunk's rows name, as far as they exist.
pub struct Found<'c> {
    /// The id of each row's user, in the order of the rows.
    users: Vec<Option<Uuid>>,
    library_groups: Vec<Row>,
    system_groups: Vec<Row>,
    /// The memberships that there are, unless others than imports have made some since. `None` if they are not known.
    memberships: Option<&'c Memberships>,
}

/// Finds the users and the groups that the rows name. What a census knows holds unless an operator or another program has
/// changed the roster since.
pub async fn find<'c>(
    session: &Session,
    tenant: TenantId,
    rows: &[MembershipRow<'_>],
    counted: Option<&'c CountedRows>,
) -> Result<Found<'c>, Error> {
    let library_groups = distinct(rows, |row| row.library_group.as_deref());
    let system_groups = distinct(rows, |row| row.system_group.as_deref());
    let ((users, memberships), library_groups, system_groups) = try_join3(
        find_users(session, tenant, rows, counted),
        session.query(FIND_LIBRARY_GROUPS, &[&tenant, &library_groups]),
        session.query(FIND_SYSTEM_GROUPS, &[&tenant, &system_groups]),
    )
    .await?;
    Ok(Found { users, library_groups, system_groups, memberships })
}

/// The id of each row's user, and the memberships if the census still holds. Users that it does not know are looked up: they
/// may be new.
async fn find_users<'c>(
    session: &Session,
    tenant: TenantId,
    rows: &[MembershipRow<'_>],
    counted: Option<&'c CountedRows>,
) -> Result<(Vec<Option<Uuid>>, Option<&'c Memberships>), Error> {
    let (mut users, memberships) = match counted {
        Some(counted) if !is_roster_changed(session, tenant).await? => {
            (counted.users.clone(), counted.census.memberships())
        }
        _ => (vec![None; rows.len()], None),
    };
    let (keys, sought): (Vec<&str>, Vec<&mut Option<Uuid>>) = rows
        .iter()
        .zip(&mut users)
        .filter(|(_, user)| user.is_none())
        .filter_map(|(row, user)| Some((&*row.username.as_ref()?.key, user)))
        .unzip();
    if keys.is_empty() {
        return Ok((users, memberships));
    }
    let found: Vec<Option<Uuid>> = session.query_one(FIND_USERS, &[&tenant, &keys]).await?.try_get(0)?;
    for (user, found) in sought.into_iter().zip(found) {
        *user = found;
    }
    Ok((users, memberships))
}

fn library_groups(groups: &[Row]) -> Result<HashMap<&str, GroupId>, Error> {
    groups.iter().map(|group| Ok((group.try_get(0)?, group.try_get::<_, Uuid>(1)?.into()))).collect()
}

fn system_groups(groups: &[Row]) -> Result<HashMap<&str, SystemGroup>, Error> {
    let system_group = |group: &Row| {
        let id = group.try_get::<_, Uuid>(1)?.into();
        Ok(SystemGroup { id, grants_administration: group.try_get(2)? })
    };
    groups.iter().map(|group| Ok((group.try_get(0)?, system_group(group)?))).collect()
}

#[derive(Debug, Clone, Copy)]
struct SystemGroup {
    id: GroupId,
    grants_administration: bool,
}

struct Merge<'a> {
    counted: Option<&'a Memberships>,
    library_groups: HashMap<&'a str, GroupId>,
    system_groups: HashMap<&'a str, SystemGroup>,
    library_members: Members,
    system_members: Members,
    /// Members of system groups that grant administration.
    granting_members: Members,
    /// The rows of `granting_members`.
    grants: Vec<Grant<'a>>,
}

/// A row that puts a user into a system group that grants administration.
struct Grant<'a> {
    row: u64,
    username: &'a str,
    group_name: &'a str,
    user: Uuid,
    group: Uuid,
}

/// New memberships: users and groups.
#[derive(Default)]
struct Members(Vec<(Uuid, Uuid)>);

impl Members {
    fn push(&mut self, user: Uuid, group: GroupId) {
        self.0.push((user, group.as_uuid()));
    }

    /// As two columns, as `unnest` takes them: each membership once, in the order of the index.
    fn into_columns(mut self) -> (Vec<Uuid>, Vec<Uuid>) {
        self.0.sort_unstable();
        self.0.dedup();
        self.0.into_iter().unzip()
    }
}

impl<'a> Merge<'a> {
    /// Applies the next row of the file to the user that was found for it. Rows do not depend on each other: a
    /// membership exists or it does not.
    fn apply(
        &mut self,
        row: &'a MembershipRow<'a>,
        user: Option<Uuid>,
        number: u64,
    ) -> Result<Outcome, Problems> {
        let mut problems = row.problems.clone();
        let library = row.library_group.as_deref().map(|name| self.library_groups.get(name).copied());
        if library == Some(None) {
            problems.push(Problem::UNDEFINED_LIBRARY_GROUP);
        }
        let system = row.system_group.as_deref().map(|name| self.system_groups.get_key_value(name));
        if matches!(system, Some(None)) {
            problems.push(Problem::UNDEFINED_SYSTEM_GROUP);
        }
        if row.username.is_some() && user.is_none() {
            problems.push(Problem::UNKNOWN_USER);
        }
        let Some(user) = user.filter(|_| problems.is_empty()) else { return Err(problems) };
        if let Some(Some(group)) = library
            && !self.is_counted(user, group)
        {
            self.library_members.push(user, group);
        }
        if let Some(Some((name, group))) = system {
            let username = row.username.as_ref().map_or("", |username| username.written);
            if group.grants_administration {
                self.granting_members.push(user, group.id);
                let group = group.id.as_uuid();
                self.grants.push(Grant { row: number, username, group_name: name, user, group });
            } else if !self.is_counted(user, group.id) {
                self.system_members.push(user, group.id);
            }
        }
        Ok(Outcome::Updated)
    }

    /// Whether the user was a member already when the census was taken.
    fn is_counted(&self, user: Uuid, group: GroupId) -> bool {
        self.counted.is_some_and(|memberships| memberships.contain(user, group))
    }
}

/// A sentence for the first row of each user who was not in the group before.
fn grant_warnings(grants: &[Grant<'_>], mut granted: HashSet<(Uuid, Uuid)>) -> Vec<String> {
    let first = grants.iter().filter(|grant| granted.remove(&(grant.user, grant.group)));
    first
        .map(|Grant { row, username, group_name, .. }| {
            format!("Row {row}: {username} was added to {group_name}, which grants system administration.")
        })
        .collect()
}

fn distinct<'r>(
    rows: &'r [MembershipRow<'_>],
    cell: impl Fn(&'r MembershipRow<'_>) -> Option<&'r str>,
) -> Vec<&'r str> {
    let mut values: Vec<&str> = rows.iter().filter_map(cell).collect();
    values.sort_unstable();
    values.dedup();
    values
}

async fn insert(txn: &Session, tenant: TenantId, sql: &'static str, members: Members) -> Result<(), Error> {
    if members.0.is_empty() {
        return Ok(());
    }
    let (users, groups) = members.into_columns();
    txn.execute(sql, &[&tenant.as_uuid(), &users, &groups]).await?;
    Ok(())
}

/// Inserts members of system groups that grant administration, and names those that were none before in the audit. Returns
/// them: users and groups.
async fn insert_granting(
    txn: &Session,
    tenant: TenantId,
    import: ImportId,
    members: Members,
) -> Result<HashSet<(Uuid, Uuid)>, Error> {
    if members.0.is_empty() {
        return Ok(HashSet::new());
    }
    let (users, groups) = members.into_columns();
    let inserted = txn
        .query(INSERT_GRANTING_MEMBERS, &[&tenant, &users, &groups, &import, &Action::AdministratorAdded])
        .await?;
    inserted.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}
