//! Accounts: users as the login sees them, and the administrators that an operator adds.

use diesel::prelude::*;
use diesel_async::{AsyncConnection as _, RunQueryDsl};

use super::group;
use crate::ids::{GroupId, TenantId, UserId};
use crate::names::username_key;
use crate::postgres::client::Session;
use crate::postgres::pool::Connection;
use crate::postgres::tables::{system_group_members, system_groups, users};

/// The system group for administrators, created if the tenant has no group that grants administration.
pub const ADMINISTRATORS: &str = "Administrators";

const FIND: &str = include_str!("sql/find_account.sql");
const STORE_HASH: &str = include_str!("sql/store_hash.sql");

pub(crate) const STATEMENTS: &[(&str, &str)] = &[("find_account", FIND), ("store_hash", STORE_HASH)];

/// A user as the login sees it.
#[derive(Debug, Clone)]
pub struct Account {
    pub id: UserId,
    pub username: String,
    /// The name that its passwords are bound to: see [`owner`](crate::passwords::keys::owner).
    pub password_owner: String,
    /// A disabled user cannot log in.
    pub enabled: bool,
    /// `None` for a user without a local login, or while the first password waits under seal.
    pub password_hash: Option<String>,
    /// A password that waits under seal to be hashed. Newer than the hash.
    pub password_sealed: Option<Vec<u8>>,
    /// Member of a system group that grants system administration.
    pub is_administrator: bool,
}

/// Finds the account of this name. Its plan is kept: every login asks for one.
pub async fn find(
    session: &Session,
    tenant: TenantId,
    username: &str,
) -> Result<Option<Account>, tokio_postgres::Error> {
    let found = session.query_opt(FIND, &[&tenant, &username_key(username)]).await?;
    found
        .map(|row| {
            Ok(Account {
                id: row.try_get(0)?,
                username: row.try_get(1)?,
                password_owner: row.try_get(2)?,
                enabled: row.try_get(3)?,
                password_hash: row.try_get(4)?,
                password_sealed: row.try_get(5)?,
                is_administrator: row.try_get(6)?,
            })
        })
        .transpose()
}

/// Replaces the seal of a waiting password by its hash, when a login came before the hashing queue.
///
/// Does nothing if the password was replaced meanwhile, or if another transaction is writing the user: a login must not
/// wait for it.
pub async fn store_hash(
    session: &Session,
    tenant: TenantId,
    user: UserId,
    sealed: &[u8],
    hash: &str,
) -> Result<(), tokio_postgres::Error> {
    session.execute(STORE_HASH, &[&tenant, &user, &sealed, &hash]).await?;
    Ok(())
}

/// The outcome of [`add_administrator`].
#[derive(Debug, PartialEq, Eq)]
pub enum AddedAdministrator {
    /// The user was created.
    Created,
    /// The user existed: the password was set and administration granted.
    Updated,
}

/// Makes a user an administrator with this password. Creates the user (as staff) if it does not exist.
pub async fn add_administrator(
    conn: &mut Connection,
    tenant: TenantId,
    username: &str,
    password_hash: &str,
) -> QueryResult<AddedAdministrator> {
    conn.transaction(async |conn| {
        let existing = user_and_whether_administrator(conn, tenant, username).await?;
        let is_administrator = existing.is_some_and(|(_, is_administrator)| is_administrator);
        let (user, added) = if let Some((user, _)) = existing {
            diesel::update(users::table.find((tenant, user)))
                .set((
                    users::password_hash.eq(password_hash),
                    users::password_sealed.eq(None::<Vec<u8>>),
                    users::enabled.eq(true),
                    users::updated_at.eq(diesel::dsl::now),
                ))
                .execute(conn)
                .await?;
            (user, AddedAdministrator::Updated)
        } else {
            let user = UserId::generate();
            diesel::insert_into(users::table)
                .values((
                    users::tenant_id.eq(tenant),
                    users::id.eq(user),
                    users::username.eq(username),
                    users::username_key.eq(username_key(username)),
                    users::enabled.eq(true),
                    users::staff_member.eq(true),
                    users::password_hash.eq(password_hash),
                ))
                .execute(conn)
                .await?;
            (user, AddedAdministrator::Created)
        };
        if !is_administrator {
            let group = granting_group(conn, tenant).await?;
            diesel::insert_into(system_group_members::table)
                .values((
                    system_group_members::tenant_id.eq(tenant),
                    system_group_members::user_id.eq(user),
                    system_group_members::group_id.eq(group),
                ))
                .on_conflict_do_nothing()
                .execute(conn)
                .await?;
        }
        Ok(added)
    })
    .await
}

async fn user_and_whether_administrator(
    conn: &mut Connection,
    tenant: TenantId,
    username: &str,
) -> QueryResult<Option<(UserId, bool)>> {
    let granting = system_group_members::table
        .inner_join(
            system_groups::table.on(system_groups::tenant_id
                .eq(system_group_members::tenant_id)
                .and(system_groups::id.eq(system_group_members::group_id))),
        )
        .filter(system_group_members::tenant_id.eq(users::tenant_id))
        .filter(system_group_members::user_id.eq(users::id))
        .filter(system_groups::grants_administration);
    users::table
        .filter(users::tenant_id.eq(tenant))
        .filter(users::username_key.eq(username_key(username)))
        .select((users::id, diesel::dsl::exists(granting)))
        .first(conn)
        .await
        .optional()
}

/// A system group that grants administration. Created if the tenant has none.
async fn granting_group(conn: &mut Connection, tenant: TenantId) -> QueryResult<GroupId> {
    let found = system_groups::table
        .filter(system_groups::tenant_id.eq(tenant))
        .filter(system_groups::grants_administration)
        .order(system_groups::name)
        .select(system_groups::id)
        .first(conn)
        .await
        .optional()?;
    if let Some(group) = found {
        return Ok(group);
    }
    // An existing group of that name that grants nothing is not silently given powers.
    let mut name = ADMINISTRATORS.to_owned();
    while !group::add_system_group(conn, tenant, &name, true).await? {
        name.push_str(" (Rollcall)");
    }
    system_groups::table
        .filter(system_groups::tenant_id.eq(tenant))
        .filter(system_groups::name.eq(name))
        .select(system_groups::id)
        .first(conn)
        .await
}
