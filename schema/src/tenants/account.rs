//! Accounts: users as the login sees them, and the first administrator that an operator makes.

use diesel::prelude::*;
use diesel::sql_types;
use diesel_async::{AsyncConnection as _, RunQueryDsl};

use crate::database::Connection;
use crate::ids::{GroupId, TenantId, UserId};
use crate::statement::statement;
use crate::tables::{system_group_members, system_groups, users};

/// The system group that a first administrator is put into.
pub const ADMINISTRATORS: &str = "Administrators";

/// The key that a username is found by: its letters in lower case, one by one, so that the result does not
/// depend on what stands around a letter.
pub fn username_key(username: &str) -> String {
    username.chars().flat_map(char::to_lowercase).collect()
}

/// A user as the login sees it.
#[derive(Debug, Clone, Queryable)]
pub struct Account {
    /// The user.
    pub id: UserId,
    /// The username as it is written.
    pub username: String,
    /// What the username is found by.
    pub username_key: String,
    /// Whether the user may log in at all.
    pub enabled: bool,
    /// The password's hash; `None` for a user without a local login, or while the password waits under seal.
    pub password_hash: Option<String>,
    /// The password under seal, waiting to be hashed.
    pub password_sealed: Option<Vec<u8>>,
    /// Whether the user is in a system group that grants system administration.
    pub is_administrator: bool,
}

/// The account of this name.
pub async fn find(conn: &mut Connection, tenant: TenantId, username: &str) -> QueryResult<Option<Account>> {
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
        .select((
            users::id,
            users::username,
            users::username_key,
            users::enabled,
            users::password_hash,
            users::password_sealed,
            diesel::dsl::exists(granting),
        ))
        .first(conn)
        .await
        .optional()
}

/// Stores the hash of a password that waited under this seal, where a login came before the hashing.
/// Nothing happens if another password has taken its place meanwhile, or if somebody else is writing to the user: a
/// login is not to wait for that one's transaction.
pub async fn store_hash(
    conn: &mut Connection,
    tenant: TenantId,
    user: UserId,
    sealed: &[u8],
    hash: &str,
) -> QueryResult<bool> {
    let stored = statement(
        "update users
            set password_hash = $4, password_sealed = null
          where (tenant_id, id) in (select tenant_id, id from users
                                     where tenant_id = $1 and id = $2 and password_sealed = $3
                                       for update skip locked)",
    )
    .bind::<sql_types::Uuid, _>(tenant)
    .bind::<sql_types::Uuid, _>(user)
    .bind::<sql_types::Binary, _>(sealed)
    .bind::<sql_types::Text, _>(hash)
    .execute(conn)
    .await?;
    Ok(stored == 1)
}

/// What became of [`add_administrator`].
#[derive(Debug, PartialEq, Eq)]
pub enum Added {
    /// The user was made, with the password given.
    Created,
    /// The user was there: the password was set and the administration granted.
    Updated,
}

/// Makes a user an administrator who can log in with this password hash; creates the user (as staff) if there
/// is none of this name.
pub async fn add_administrator(
    conn: &mut Connection,
    tenant: TenantId,
    username: &str,
    password_hash: &str,
) -> QueryResult<Added> {
    conn.transaction(async |conn| {
        let existing = find(conn, tenant, username).await?;
        let is_administrator = existing.as_ref().is_some_and(|account| account.is_administrator);
        let (user, added) = if let Some(account) = existing {
            diesel::update(users::table.find((tenant, account.id)))
                .set((
                    users::password_hash.eq(password_hash),
                    users::password_sealed.eq(None::<Vec<u8>>),
                    users::enabled.eq(true),
                    users::updated_at.eq(diesel::dsl::now),
                ))
                .execute(conn)
                .await?;
            (account.id, Added::Updated)
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
            (user, Added::Created)
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

/// A system group that grants administration; made if the tenant has none.
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
    // A group of the usual name that grants nothing is not given powers behind its owner's back.
    let mut name = ADMINISTRATORS.to_owned();
    while !crate::group::add_system_group(conn, tenant, &name, true).await? {
        name.push_str(" (Rollcall)");
    }
    system_groups::table
        .filter(system_groups::tenant_id.eq(tenant))
        .filter(system_groups::name.eq(name))
        .select(system_groups::id)
        .first(conn)
        .await
}
