//! Merges a chunk of users into the tenant's table: load what the rows can touch, apply them in order, write
//! what came out different. A handful of statements whatever the number of rows.

use std::collections::HashMap;

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{BoxedSqlQuery, SqlQuery};
use diesel::sql_types::{Array, Binary, Bool, Nullable, SmallInt, Text, Uuid as SqlUuid};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection as _};
use rollcall_schema::database::Connection;
use rollcall_schema::ids::{GroupId, TenantId, UserId};
use rollcall_schema::outcome::ChunkOutcomes;
use rollcall_schema::seal::PasswordKeys;
use rollcall_schema::tables::{presentation_groups, users};
use rollcall_schema::tenant;
use uuid::Uuid;

use super::roster::{NewGroup, Passwords, Person, Profile, Roster};
use super::row::{Change, UserRow, UsernameCell};

/// What a merged chunk leaves behind.
pub struct Merged {
    /// What became of each row.
    pub outcomes: ChunkOutcomes,
    /// Whether passwords wait to be hashed.
    pub sealed_passwords: bool,
}

/// Merges a chunk, in its transaction, which must hold the tenant's roster (see
/// [`rollcall_schema::account::lock_roster`]): what is loaded here must still be so when it is written.
pub async fn merge_in_txn(
    conn: &mut Connection,
    tenant: TenantId,
    keys: &PasswordKeys,
    first_row: u64,
    rows: Vec<UserRow>,
) -> QueryResult<Merged> {
    prefer_indexes(conn).await?;
    let policy = tenant::password_policy(conn, tenant).await?;
    let people = load_people(conn, tenant, &rows).await?;
    let owners = load_barcode_owners(conn, tenant, &rows).await?;
    let groups = load_groups(conn, tenant, &rows).await?;
    let mut roster = Roster::new(Passwords { tenant, policy, keys }, people, owners, groups);

    let mut outcomes = ChunkOutcomes::starting_at(first_row);
    for row in rows {
        outcomes.push(roster.apply(row).map_err(|mut problems| problems.to_text()));
    }

    insert_groups(conn, tenant, roster.new_groups()).await?;
    release_barcodes(conn, tenant, &roster).await?;
    update(conn, tenant, &roster.changed().collect::<Vec<_>>()).await?;
    let created: Vec<_> = roster.created().collect();
    insert(conn, tenant, &created).await?;
    let sealed_passwords =
        roster.created().chain(roster.changed()).any(|person| person.password_sealed.is_some());
    Ok(Merged { outcomes, sealed_passwords })
}

/// Every statement of a chunk finds a few thousand rows by key. For a table of some hundred thousand the planner would
/// rather read all of it, chunk after chunk: ten times the work, measured at 400,000 users.
async fn prefer_indexes(conn: &mut Connection) -> QueryResult<()> {
    conn.batch_execute(
        "set local enable_seqscan = off; set local enable_hashjoin = off; set local enable_mergejoin = off",
    )
    .await
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = users)]
struct StoredUser {
    id: UserId,
    username: String,
    username_key: String,
    given_name: Option<String>,
    surname: Option<String>,
    middle_name: Option<String>,
    preferred_name: Option<String>,
    email_address: Option<String>,
    graduation_year: Option<i16>,
    library_barcode: Option<String>,
    admin_system_id: Option<String>,
    gender: Option<String>,
    form_class: Option<String>,
    enabled: bool,
    staff_member: bool,
    presentation_group_id: Option<GroupId>,
    password_fingerprint: Option<Vec<u8>>,
}

impl From<StoredUser> for Person {
    fn from(user: StoredUser) -> Self {
        let profile = Profile {
            given_name: user.given_name,
            surname: user.surname,
            middle_name: user.middle_name,
            preferred_name: user.preferred_name,
            email_address: user.email_address,
            graduation_year: user.graduation_year,
            library_barcode: user.library_barcode,
            admin_system_id: user.admin_system_id,
            gender: user.gender,
            form_class: user.form_class,
            enabled: user.enabled,
            staff_member: user.staff_member,
            presentation_group: user.presentation_group_id,
        };
        Self {
            id: user.id,
            username: user.username,
            username_key: user.username_key,
            stored: Some(profile.clone()),
            profile,
            password_fingerprint: user.password_fingerprint,
            password_sealed: None,
        }
    }
}

/// The users that the rows name.
async fn load_people(conn: &mut Connection, tenant: TenantId, rows: &[UserRow]) -> QueryResult<Vec<Person>> {
    let keys: Vec<&str> = rows
        .iter()
        .filter_map(|row| match &row.username {
            UsernameCell::Valid(username) => Some(username.key.as_str()),
            UsernameCell::Missing | UsernameCell::Invalid => None,
        })
        .collect();
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let stored: Vec<StoredUser> = users::table
        .filter(users::tenant_id.eq(tenant))
        .filter(users::username_key.eq_any(keys))
        .select(StoredUser::as_select())
        .load(conn)
        .await?;
    Ok(stored.into_iter().map(Person::from).collect())
}

/// Who has the barcodes that the rows claim.
async fn load_barcode_owners(
    conn: &mut Connection,
    tenant: TenantId,
    rows: &[UserRow],
) -> QueryResult<HashMap<String, UserId>> {
    let claimed = set_values(rows, |row| &row.library_barcode);
    if claimed.is_empty() {
        return Ok(HashMap::new());
    }
    let owners: Vec<(String, UserId)> = users::table
        .filter(users::tenant_id.eq(tenant))
        .filter(users::library_barcode.eq_any(claimed))
        .select((users::library_barcode.assume_not_null(), users::id))
        .load(conn)
        .await?;
    Ok(owners.into_iter().collect())
}

/// The presentation groups that the rows name and that there are.
async fn load_groups(
    conn: &mut Connection,
    tenant: TenantId,
    rows: &[UserRow],
) -> QueryResult<HashMap<String, GroupId>> {
    let mut labels = set_values(rows, |row| &row.presentation_group_label);
    labels.sort_unstable();
    labels.dedup();
    if labels.is_empty() {
        return Ok(HashMap::new());
    }
    let groups: Vec<(String, GroupId)> = presentation_groups::table
        .filter(presentation_groups::tenant_id.eq(tenant))
        .filter(presentation_groups::label.eq_any(labels))
        .select((presentation_groups::label, presentation_groups::id))
        .load(conn)
        .await?;
    Ok(groups.into_iter().collect())
}

fn set_values(rows: &[UserRow], cell: impl Fn(&UserRow) -> &Change<String>) -> Vec<&str> {
    rows.iter()
        .filter_map(|row| match cell(row) {
            Change::Set(value) => Some(value.as_str()),
            Change::Keep | Change::Clear => None,
        })
        .collect()
}

async fn insert_groups(conn: &mut Connection, tenant: TenantId, groups: &[NewGroup]) -> QueryResult<()> {
    if groups.is_empty() {
        return Ok(());
    }
    diesel::sql_query(
        "insert into presentation_groups (tenant_id, id, label)
         select $1, id, label from unnest($2, $3) as new (id, label)",
    )
    .bind::<SqlUuid, _>(tenant)
    .bind::<Array<SqlUuid>, _>(groups.iter().map(|group| group.id.as_uuid()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(groups.iter().map(|group| group.label.as_str()).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(())
}

/// Frees the barcodes that go from one user to another, so that no order of writing meets a barcode twice.
async fn release_barcodes(conn: &mut Connection, tenant: TenantId, roster: &Roster<'_>) -> QueryResult<()> {
    let users: Vec<Uuid> = roster.releasing().map(UserId::as_uuid).collect();
    if users.is_empty() {
        return Ok(());
    }
    diesel::sql_query("update users set library_barcode = null where tenant_id = $1 and id = any($2)")
        .bind::<SqlUuid, _>(tenant)
        .bind::<Array<SqlUuid>, _>(users)
        .execute(conn)
        .await?;
    Ok(())
}

/// Writes the users that came out different. A password column is touched only where a password is applied: the
/// owner may change it, and the hasher may hash it, at any time.
async fn update(conn: &mut Connection, tenant: TenantId, people: &[&Person]) -> QueryResult<()> {
    if people.is_empty() {
        return Ok(());
    }
    let statement = diesel::sql_query(
        "update users
            set given_name = new.given_name, surname = new.surname, middle_name = new.middle_name,
                preferred_name = new.preferred_name, email_address = new.email_address,
                graduation_year = new.graduation_year, library_barcode = new.library_barcode,
                admin_system_id = new.admin_system_id, gender = new.gender, form_class = new.form_class,
                enabled = new.enabled, staff_member = new.staff_member,
                presentation_group_id = new.presentation_group_id,
                password_hash = case when new.password_sealed is null then users.password_hash end,
                password_sealed = coalesce(new.password_sealed, users.password_sealed),
                password_fingerprint = coalesce(new.password_fingerprint, users.password_fingerprint),
                updated_at = now()
           from unnest($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
                as new (id, given_name, surname, middle_name, preferred_name, email_address, graduation_year,
                        library_barcode, admin_system_id, gender, form_class, enabled, staff_member,
                        presentation_group_id, password_sealed, password_fingerprint)
          where users.tenant_id = $1 and users.id = new.id",
    );
    bind(statement, tenant, Columns::of(people)).execute(conn).await?;
    Ok(())
}

/// Writes the users that the chunk made. Their ids grow in file order, so they land side by side in their index.
async fn insert(conn: &mut Connection, tenant: TenantId, people: &[&Person]) -> QueryResult<()> {
    if people.is_empty() {
        return Ok(());
    }
    let statement = diesel::sql_query(
        "insert into users (tenant_id, id, given_name, surname, middle_name, preferred_name, email_address,
                            graduation_year, library_barcode, admin_system_id, gender, form_class, enabled,
                            staff_member, presentation_group_id, password_sealed, password_fingerprint,
                            username, username_key)
         select $1, new.*
           from unnest($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19) as new",
    );
    bind(statement, tenant, Columns::of(people))
        .bind::<Array<Text>, _>(people.iter().map(|person| person.username.as_str()).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(people.iter().map(|person| person.username_key.as_str()).collect::<Vec<_>>())
        .execute(conn)
        .await?;
    Ok(())
}

/// Binds the tenant as `$1` and the columns as `$2` to `$17`.
fn bind(statement: SqlQuery, tenant: TenantId, columns: Columns<'_>) -> BoxedSqlQuery<'_, Pg, SqlQuery> {
    statement
        .into_boxed()
        .bind::<SqlUuid, _>(tenant)
        .bind::<Array<SqlUuid>, _>(columns.id)
        .bind::<Array<Nullable<Text>>, _>(columns.given_name)
        .bind::<Array<Nullable<Text>>, _>(columns.surname)
        .bind::<Array<Nullable<Text>>, _>(columns.middle_name)
        .bind::<Array<Nullable<Text>>, _>(columns.preferred_name)
        .bind::<Array<Nullable<Text>>, _>(columns.email_address)
        .bind::<Array<Nullable<SmallInt>>, _>(columns.graduation_year)
        .bind::<Array<Nullable<Text>>, _>(columns.library_barcode)
        .bind::<Array<Nullable<Text>>, _>(columns.admin_system_id)
        .bind::<Array<Nullable<Text>>, _>(columns.gender)
        .bind::<Array<Nullable<Text>>, _>(columns.form_class)
        .bind::<Array<Bool>, _>(columns.enabled)
        .bind::<Array<Bool>, _>(columns.staff_member)
        .bind::<Array<Nullable<SqlUuid>>, _>(columns.presentation_group)
        .bind::<Array<Nullable<Binary>>, _>(columns.password_sealed)
        .bind::<Array<Nullable<Binary>>, _>(columns.password_fingerprint)
}

/// People turned on their side: an array per column, as `unnest` takes them.
struct Columns<'a> {
    id: Vec<Uuid>,
    given_name: Vec<Option<&'a str>>,
    surname: Vec<Option<&'a str>>,
    middle_name: Vec<Option<&'a str>>,
    preferred_name: Vec<Option<&'a str>>,
    email_address: Vec<Option<&'a str>>,
    graduation_year: Vec<Option<i16>>,
    library_barcode: Vec<Option<&'a str>>,
    admin_system_id: Vec<Option<&'a str>>,
    gender: Vec<Option<&'a str>>,
    form_class: Vec<Option<&'a str>>,
    enabled: Vec<bool>,
    staff_member: Vec<bool>,
    presentation_group: Vec<Option<Uuid>>,
    password_sealed: Vec<Option<&'a [u8]>>,
    password_fingerprint: Vec<Option<&'a [u8]>>,
}

impl<'a> Columns<'a> {
    fn of(people: &[&'a Person]) -> Self {
        fn column<'a, T>(people: &[&'a Person], value: impl Fn(&'a Person) -> T) -> Vec<T> {
            people.iter().map(|person| value(person)).collect()
        }
        Self {
            id: column(people, |person| person.id.as_uuid()),
            given_name: column(people, |person| person.profile.given_name.as_deref()),
            surname: column(people, |person| person.profile.surname.as_deref()),
            middle_name: column(people, |person| person.profile.middle_name.as_deref()),
            preferred_name: column(people, |person| person.profile.preferred_name.as_deref()),
            email_address: column(people, |person| person.profile.email_address.as_deref()),
            graduation_year: column(people, |person| person.profile.graduation_year),
            library_barcode: column(people, |person| person.profile.library_barcode.as_deref()),
            admin_system_id: column(people, |person| person.profile.admin_system_id.as_deref()),
            gender: column(people, |person| person.profile.gender.as_deref()),
            form_class: column(people, |person| person.profile.form_class.as_deref()),
            enabled: column(people, |person| person.profile.enabled),
            staff_member: column(people, |person| person.profile.staff_member),
            presentation_group: column(people, |person| {
                person.profile.presentation_group.map(GroupId::as_uuid)
            }),
            password_sealed: column(people, |person| person.password_sealed.as_deref()),
            // Written together with the seal or not at all.
            password_fingerprint: column(people, |person| {
                person.password_sealed.as_ref().and(person.password_fingerprint.as_deref())
            }),
        }
    }
}
