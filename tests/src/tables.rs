//! Compares a tenant's tables with the oracle's.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;
use diesel::sql_types::{Binary, Bool, Nullable, SmallInt, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use rollcall_schema::crypto::key::ServiceKey;
use rollcall_schema::ids::TenantId;
use rollcall_schema::key_ring::data_keys::DataKeys;
use rollcall_schema::key_ring::ring::KeyRing;
use rollcall_schema::key_ring::store;
use rollcall_schema::passwords::argon2;
use rollcall_schema::passwords::keys;
use rollcall_schema::passwords::keys::PasswordKeys;
use rollcall_schema::postgres::pool::Connection;
use rollcall_schema::tenants::account;

use crate::harness::{ADMINISTRATOR, KEY, Stack, Tenant};
use crate::oracle::{self, Snapshot, User};

/// Adds the administrator that every tenant of a stack has to the oracle's tenant.
pub fn add_administrator(tenant: &mut oracle::Tenant) {
    tenant.define_administration_group(account::ADMINISTRATORS);
    tenant.put_user(User {
        username: ADMINISTRATOR.to_owned(),
        enabled: true,
        staff_member: true,
        ..User::default()
    });
    tenant.put_system_member(ADMINISTRATOR, account::ADMINISTRATORS);
}

/// Asserts that a tenant's imports are these files of users, in the order of its line; that each ends within a minute; and
/// that results, counters and tables are those of the oracle, which applies the files one after another and never fails.
pub async fn assert_matches_oracle(stack: &Stack, tenant: &Tenant, files: &[impl AsRef<str>]) {
    let mut oracle_tenant = oracle::Tenant::new(oracle::PasswordPolicy::WhenChanged);
    add_administrator(&mut oracle_tenant);
    let imports = stack.imports_in_order(tenant).await;
    assert_eq!(imports.len(), files.len(), "each accepted file is one import");
    for (import, file) in imports.iter().zip(files) {
        let answer = stack.wait_for_result(&format!("/api/import/jobs/{import}")).await;
        let expected = oracle_tenant.apply(oracle::Endpoint::Users, file.as_ref().as_bytes(), None);
        let agrees = expected.agrees_with(answer.status, &answer.body);
        assert!(agrees, "the service: {}\nthe oracle: {}", answer.text(), expected.body);
        let counters = stack
            .row(&format!(
                "select rows_done, rows_total, (select sum(rows) from chunk_outcomes where import_id = id) as outcomes
                   from imports where id = '{import}'"
            ))
            .await;
        let rows = file.as_ref().lines().count() - 1;
        for counter in ["rows_done", "rows_total", "outcomes"] {
            assert_eq!(counters[counter], rows, "{counter}");
        }
    }
    let mut conn = stack.database.connection().await.expect("the database answers");
    let differences = differences(&mut conn, tenant.id, &oracle_tenant).await;
    assert!(differences.is_empty(), "service / oracle: {differences:#?}");
}

/// The differences between a tenant's tables and the oracle's, one line each. Passwords may be sealed or hashed.
pub async fn differences(
    conn: &mut Connection,
    tenant: TenantId,
    oracle_tenant: &oracle::Tenant,
) -> Vec<String> {
    let keys = password_keys(conn).await;
    let users = stored_users(conn, tenant).await;
    let mut differences = Vec::new();
    for user in &users {
        let Some(expected) = oracle_tenant.user(&user.username) else { continue };
        let owner = keys::owner(tenant, user.password_owner.as_deref().unwrap_or(&user.username_key));
        let applied_agrees = match (&expected.password_applied, &user.password_fingerprint) {
            (None, None) => true,
            (Some(clear), Some(stored)) => keys.fingerprint(&owner, clear.as_bytes()).matches(stored),
            _ => false,
        };
        let login_agrees = match (&expected.login_password, &user.password_sealed, &user.password_hash) {
            _ if expected.username == ADMINISTRATOR && expected.login_password.is_none() => true,
            (None, None, None) => true,
            (Some(clear), Some(sealed), None) => {
                keys.open(&owner, sealed).await.is_ok_and(|open| *open == clear.as_bytes())
            }
            (Some(clear), None, Some(hash)) => argon2::verify(clear.as_bytes(), hash),
            _ => false,
        };
        if !applied_agrees || !login_agrees {
            differences.push(format!(
                "password of {}: applied agrees: {applied_agrees}, login agrees: {login_agrees}, oracle {expected:?}",
                user.username
            ));
        }
    }
    let ours = snapshot_of(conn, tenant, users).await;
    differences.extend(ours.differences(&oracle_tenant.snapshot().without_passwords()));
    differences
}

/// The keys that the service seals passwords with.
pub async fn password_keys(conn: &mut Connection) -> PasswordKeys {
    let key = ServiceKey::from_hex(KEY).expect("the tests' key is valid");
    let keys = store::load(conn, &key).await.expect("the tests' key is the installation's");
    // An installation in which no process has started yet has none.
    PasswordKeys::new(&KeyRing::fixed(keys.unwrap_or_else(|| DataKeys::original(&key))))
}

/// A tenant's tables, without passwords.
pub async fn snapshot(conn: &mut Connection, tenant: TenantId) -> Snapshot {
    let users = stored_users(conn, tenant).await;
    snapshot_of(conn, tenant, users).await
}

async fn stored_users(conn: &mut Connection, tenant: TenantId) -> Vec<StoredUser> {
    diesel::sql_query(
        "select users.*, label as presentation_group
           from users left join presentation_groups groups
                on groups.tenant_id = users.tenant_id and groups.id = presentation_group_id
          where users.tenant_id = $1",
    )
    .bind::<SqlUuid, _>(tenant)
    .load(conn)
    .await
    .expect("the tables can be read")
}

async fn snapshot_of(conn: &mut Connection, tenant: TenantId, users: Vec<StoredUser>) -> Snapshot {
    let labels: Vec<Member> = diesel::sql_query(
        r#"select label as "group", null as username from presentation_groups where tenant_id = $1"#,
    )
    .bind::<SqlUuid, _>(tenant)
    .load(conn)
    .await
    .expect("the tables can be read");
    Snapshot {
        users: users.into_iter().map(|user| (user.username_key.clone(), user.into())).collect(),
        presentation_groups: labels.into_iter().map(|label| label.group).collect(),
        library_groups: members(conn, tenant, "library").await,
        system_groups: members(conn, tenant, "system").await,
    }
}

#[derive(QueryableByName)]
struct StoredUser {
    #[diesel(sql_type = Text)]
    username: String,
    #[diesel(sql_type = Text)]
    username_key: String,
    #[diesel(sql_type = Nullable<Text>)]
    given_name: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    surname: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    middle_name: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    preferred_name: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    email_address: Option<String>,
    #[diesel(sql_type = Nullable<SmallInt>)]
    graduation_year: Option<i16>,
    #[diesel(sql_type = Nullable<Text>)]
    library_barcode: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    admin_system_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    gender: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    form_class: Option<String>,
    #[diesel(sql_type = Bool)]
    enabled: bool,
    #[diesel(sql_type = Bool)]
    staff_member: bool,
    #[diesel(sql_type = Nullable<Text>)]
    presentation_group: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    password_hash: Option<String>,
    #[diesel(sql_type = Nullable<Binary>)]
    password_sealed: Option<Vec<u8>>,
    #[diesel(sql_type = Nullable<Binary>)]
    password_fingerprint: Option<Vec<u8>>,
    #[diesel(sql_type = Nullable<Text>)]
    password_owner: Option<String>,
}

#[derive(QueryableByName)]
struct Member {
    #[diesel(sql_type = Text)]
    group: String,
    #[diesel(sql_type = Nullable<Text>)]
    username: Option<String>,
}

async fn members(conn: &mut Connection, tenant: TenantId, kind: &str) -> BTreeMap<String, BTreeSet<String>> {
    let rows: Vec<Member> = diesel::sql_query(format!(
        r#"select groups.name as "group", users.username
             from {kind}_groups groups
             left join {kind}_group_members members
                  on members.tenant_id = groups.tenant_id and members.group_id = groups.id
             left join users on users.tenant_id = members.tenant_id and users.id = members.user_id
            where groups.tenant_id = $1"#
    ))
    .bind::<SqlUuid, _>(tenant)
    .load(conn)
    .await
    .expect("the tables can be read");
    let mut groups: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in rows {
        groups.entry(row.group).or_default().extend(row.username);
    }
    groups
}

impl From<StoredUser> for User {
    fn from(user: StoredUser) -> Self {
        Self {
            username: user.username,
            given_name: user.given_name,
            surname: user.surname,
            middle_name: user.middle_name,
            preferred_name: user.preferred_name,
            email_address: user.email_address,
            graduation_year: user.graduation_year.map(|year| year.try_into().expect("years are positive")),
            library_barcode: user.library_barcode,
            admin_system_id: user.admin_system_id,
            gender: user.gender.map(|gender| gender.parse().expect("a gender is one letter")),
            form_class: user.form_class,
            enabled: user.enabled,
            staff_member: user.staff_member,
            presentation_group: user.presentation_group,
            password_applied: None,
            login_password: None,
        }
    }
}
