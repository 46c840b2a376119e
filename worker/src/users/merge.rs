//! Merges a chunk of users into the tenant's table: pass over the rows that were applied before, load what the others
//! can touch, apply them in order, write what came out different. A handful of statements whatever the number of rows.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{
    Array, Binary, Bool, Integer, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid,
};
use diesel_async::RunQueryDsl;
use rollcall_schema::database::Connection;
use rollcall_schema::ids::{GroupId, TenantId, UserId};
use rollcall_schema::outcome::{ChunkOutcomes, Outcome};
use rollcall_schema::statement::{Bind, Statement, statement};
use rollcall_schema::tables::{presentation_groups, users};
use tokio::task::block_in_place;
use uuid::Uuid;

use super::chunk::UserChunk;
use super::roster::{BarcodeOwners, NewGroup, Passwords, Person, Profile, Roster, Stored};
use super::row::{Change, UserRow};
use crate::chunk::Merged;
use crate::in_flight::Place;

/// Merges a chunk, in its transaction. What it cannot know yet while earlier chunks are in flight, and what somebody
/// else changed meanwhile, it says, and the transaction is to be rolled back.
pub async fn merge_in_txn(
    conn: &mut Connection,
    passwords: Passwords<'_>,
    first_row: u64,
    chunk: &UserChunk,
    place: &Place,
) -> QueryResult<Merged> {
    let tenant = passwords.tenant;
    let beyond = is_beyond(conn, tenant, chunk).await?;
    let known = if beyond.usernames { Known::none(chunk) } else { compare(conn, tenant, chunk).await? };
    let rows = block_in_place(|| known.rows(chunk));

    let stored = load_users(conn, tenant, &known.different).await?;
    let owners = if beyond.barcodes { Vec::new() } else { load_barcode_owners(conn, tenant, &rows).await? };
    if owners.iter().any(|owner| place.earlier().iter().any(|chunk| chunk.has_user(&owner.username_key))) {
        // An earlier chunk may be about to take the barcode from its owner.
        return Ok(Merged::TooEarly);
    }
    let labels = load_groups(conn, tenant, &rows).await?;

    let people = stored.iter().map(Person::from).collect();
    let owners: BarcodeOwners<'_> = owners.iter().map(|owner| (&*owner.barcode, owner.user)).collect();
    let groups = labels.iter().map(|(label, id)| (&**label, *id)).collect();
    let mut roster = Roster::new(passwords, people, owners, groups);
    let outcomes = block_in_place(|| apply(&mut roster, first_row, chunk.len(), rows));
    if !roster.new_groups().is_empty() && !place.earlier().is_empty() {
        // An earlier chunk may be about to make them, too.
        return Ok(Merged::TooEarly);
    }

    insert_groups(conn, tenant, roster.new_groups()).await?;
    release_barcodes(conn, tenant, &roster).await?;
    let changed: Vec<_> = roster.changed().collect();
    if update(conn, tenant, &changed).await? != changed.len() {
        return Ok(Merged::Overtaken);
    }
    recognise(conn, tenant, &roster.recognised().collect::<Vec<_>>()).await?;
    let created: Vec<_> = roster.created().collect();
    insert(conn, tenant, &created).await?;
    let sealed =
        |people: &[&Person<'_>]| people.iter().filter(|person| person.password_sealed.is_some()).count();
    let sealed_passwords = (sealed(&created) + sealed(&changed)) as u64;
    Ok(Merged::Rows { outcomes, sealed_passwords })
}

/// What is known of a chunk's rows before they are looked into.
struct Known<'a> {
    /// Whether the row at an index is to be passed over: it was applied before, and nothing has changed since.
    applied: Vec<bool>,
    /// The digests of the rows at an index.
    digests: Vec<Option<Uuid>>,
    /// The keys of the users that there are and whose rows are not passed over.
    different: Vec<&'a str>,
}

impl Known<'_> {
    /// No row was applied before, and no user is there.
    fn none(chunk: &UserChunk) -> Self {
        let mut digests = vec![None; chunk.len()];
        for named in chunk.named() {
            digests[named.row] = named.digest;
        }
        Self { applied: vec![false; chunk.len()], digests, different: Vec::new() }
    }

    /// The rows to be applied, with their index and digest.
    fn rows<'a>(&self, chunk: &'a UserChunk) -> Vec<RowAt<'a>> {
        let left = self.applied.iter().zip(&self.digests).enumerate().filter(|(_, (applied, _))| !**applied);
        left.filter_map(|(index, (_, digest))| Some(RowAt { index, digest: *digest, row: chunk.row(index)? }))
            .collect()
    }
}

/// A row to be applied.
struct RowAt<'a> {
    index: usize,
    digest: Option<Uuid>,
    row: UserRow<'a>,
}

/// Whether a chunk lies where the tenant's roster has nothing at all.
#[derive(QueryableByName)]
struct Beyond {
    /// No user of the tenant stands between the least and the greatest of the chunk's usernames.
    #[diesel(sql_type = Bool)]
    usernames: bool,
    /// Nor any barcode between the least and the greatest of its barcodes.
    #[diesel(sql_type = Bool)]
    barcodes: bool,
}

/// Asks for the whole chunk at once what would else be asked for each of its rows. A first import in the order of the
/// names is answered so throughout; any other loses two look-ups a chunk.
async fn is_beyond(conn: &mut Connection, tenant: TenantId, chunk: &UserChunk) -> QueryResult<Beyond> {
    let usernames = chunk.usernames();
    let barcodes = chunk.barcodes();
    statement(
        "select not exists (select from users where tenant_id = $1 and username_key between $2 and $3) as usernames,
                not exists (select from users where tenant_id = $1 and library_barcode between $4 and $5) as barcodes",
    )
    .bind::<SqlUuid, _>(tenant)
    .bind::<Text, _>(usernames.least())
    .bind::<Text, _>(usernames.greatest())
    .bind::<Text, _>(barcodes.least())
    .bind::<Text, _>(barcodes.greatest())
    .get_result(conn)
    .await
}

#[derive(QueryableByName)]
struct Compared {
    #[diesel(sql_type = Array<Integer>)]
    missing: Vec<i32>,
    #[diesel(sql_type = Array<Integer>)]
    different: Vec<i32>,
}

/// Asks which of the chunk's rows were applied before. Only the exceptions are told, in one row: a file that comes
/// again unchanged costs an index look-up per row and nothing on the way back.
async fn compare<'a>(
    conn: &mut Connection,
    tenant: TenantId,
    chunk: &'a UserChunk,
) -> QueryResult<Known<'a>> {
    let mut known =
        Known { applied: vec![false; chunk.len()], digests: vec![None; chunk.len()], different: Vec::new() };
    let named: Vec<_> = chunk.named().collect();
    if named.is_empty() {
        return Ok(known);
    }
    let compared: Compared = statement(
        "select coalesce(array_agg(named.n::int) filter (where users.id is null), '{}') as missing,
                coalesce(array_agg(named.n::int) filter (where users.id is not null), '{}') as different
           from unnest($2, $3) with ordinality as named (key, digest, n)
           left join users on users.tenant_id = $1 and users.username_key = named.key
          where named.digest is null or users.applied_row is distinct from named.digest",
    )
    .bind::<SqlUuid, _>(tenant)
    .bind::<Array<Text>, _>(named.iter().map(|row| row.key).collect::<Vec<_>>())
    .bind::<Array<Nullable<SqlUuid>>, _>(
        named.iter().map(|row| row.digest.filter(|_| row.alone)).collect::<Vec<_>>(),
    )
    .get_result(conn)
    .await?;
    for row in &named {
        known.applied[row.row] = true;
    }
    let at = |ordinality: i32| usize::try_from(ordinality).ok().and_then(|n| named.get(n.checked_sub(1)?));
    for row in compared.missing.iter().chain(&compared.different).filter_map(|n| at(*n)) {
        known.applied[row.row] = false;
    }
    known.different = compared.different.iter().filter_map(|n| at(*n)).map(|row| row.key).collect();
    Ok(known)
}

/// Applies the rows in the order of the file; those that were passed over have found their user as it is to be.
fn apply<'a>(
    roster: &mut Roster<'a>,
    first_row: u64,
    chunk_rows: usize,
    rows: Vec<RowAt<'a>>,
) -> ChunkOutcomes {
    let mut outcomes = ChunkOutcomes::starting_at(first_row);
    let mut behind = 0;
    for RowAt { index, digest, row } in rows {
        for _ in behind..index {
            outcomes.push(Ok(Outcome::Updated));
        }
        outcomes.push(roster.apply(row, digest).map_err(|mut problems| problems.to_text()));
        behind = index + 1;
    }
    for _ in behind..chunk_rows {
        outcomes.push(Ok(Outcome::Updated));
    }
    outcomes
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
    applied_row: Option<Uuid>,
    updated_at: DateTime<Utc>,
}

impl<'a> From<&'a StoredUser> for Person<'a> {
    fn from(user: &'a StoredUser) -> Self {
        let profile = Profile {
            given_name: user.given_name.as_deref(),
            surname: user.surname.as_deref(),
            middle_name: user.middle_name.as_deref(),
            preferred_name: user.preferred_name.as_deref(),
            email_address: user.email_address.as_deref(),
            graduation_year: user.graduation_year,
            library_barcode: user.library_barcode.as_deref(),
            admin_system_id: user.admin_system_id.as_deref(),
            gender: user.gender.as_deref(),
            form_class: user.form_class.as_deref(),
            enabled: user.enabled,
            staff_member: user.staff_member,
            presentation_group: user.presentation_group_id,
        };
        Self {
            id: user.id,
            username: &user.username,
            username_key: user.username_key.as_str().into(),
            stored: Some(Stored { profile, applied_row: user.applied_row, updated_at: user.updated_at }),
            profile,
            applied_row: None,
            password_fingerprint: user.password_fingerprint.as_deref().map(Into::into),
            password_sealed: None,
        }
    }
}

/// The users of these keys.
async fn load_users(conn: &mut Connection, tenant: TenantId, keys: &[&str]) -> QueryResult<Vec<StoredUser>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    users::table
        .filter(users::tenant_id.eq(tenant))
        .filter(users::username_key.eq_any(keys))
        .select(StoredUser::as_select())
        .load(conn)
        .await
}

/// Who has a barcode.
#[derive(Queryable)]
struct BarcodeOwner {
    barcode: String,
    user: UserId,
    username_key: String,
}

/// Who has the barcodes that the rows claim.
async fn load_barcode_owners(
    conn: &mut Connection,
    tenant: TenantId,
    rows: &[RowAt<'_>],
) -> QueryResult<Vec<BarcodeOwner>> {
    let claimed = set_values(rows, |row| row.library_barcode);
    if claimed.is_empty() {
        return Ok(Vec::new());
    }
    users::table
        .filter(users::tenant_id.eq(tenant))
        .filter(users::library_barcode.eq_any(claimed))
        .select((users::library_barcode.assume_not_null(), users::id, users::username_key))
        .load(conn)
        .await
}

/// The presentation groups that the rows name and that there are.
async fn load_groups(
    conn: &mut Connection,
    tenant: TenantId,
    rows: &[RowAt<'_>],
) -> QueryResult<HashMap<String, GroupId>> {
    let mut labels = set_values(rows, |row| row.presentation_group_label);
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

fn set_values<'a>(rows: &[RowAt<'a>], cell: impl Fn(&UserRow<'a>) -> Change<&'a str>) -> Vec<&'a str> {
    rows.iter()
        .filter_map(|at| match cell(&at.row) {
            Change::Set(value) => Some(value),
            Change::Keep | Change::Clear => None,
        })
        .collect()
}

async fn insert_groups(conn: &mut Connection, tenant: TenantId, groups: &[NewGroup<'_>]) -> QueryResult<()> {
    if groups.is_empty() {
        return Ok(());
    }
    statement(
        "insert into presentation_groups (tenant_id, id, label)
         select $1, id, label from unnest($2, $3) as new (id, label)",
    )
    .bind::<SqlUuid, _>(tenant)
    .bind::<Array<SqlUuid>, _>(groups.iter().map(|group| group.id.as_uuid()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(groups.iter().map(|group| group.label).collect::<Vec<_>>())
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
    statement("update users set library_barcode = null where tenant_id = $1 and id = any($2)")
        .bind::<SqlUuid, _>(tenant)
        .bind::<Array<SqlUuid>, _>(users)
        .execute(conn)
        .await?;
    Ok(())
}

/// Writes the users that came out different; returns how many. One that somebody else has changed since it was loaded
/// is not written. A password column is touched only where a password is applied: the owner may change it, and the
/// hasher may hash it, at any time.
async fn update(conn: &mut Connection, tenant: TenantId, people: &[&Person<'_>]) -> QueryResult<usize> {
    if people.is_empty() {
        return Ok(0);
    }
    let insert_or_update = statement(
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
                applied_row = new.applied_row, updated_at = now()
           from unnest($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
                as new (id, given_name, surname, middle_name, preferred_name, email_address, graduation_year,
                        library_barcode, admin_system_id, gender, form_class, enabled, staff_member,
                        presentation_group_id, password_sealed, password_fingerprint, applied_row, seen_at)
          where users.tenant_id = $1 and users.id = new.id and users.updated_at = new.seen_at",
    );
    let seen_at = people.iter().map(|person| person.stored.map(|stored| stored.updated_at));
    bind(insert_or_update, tenant, Columns::of(people))
        .bind::<Array<Nullable<Timestamptz>>, _>(seen_at.collect::<Vec<_>>())
        .execute(conn)
        .await
}

/// Keeps which row was applied last to users that are as it says already.
async fn recognise(conn: &mut Connection, tenant: TenantId, people: &[&Person<'_>]) -> QueryResult<()> {
    if people.is_empty() {
        return Ok(());
    }
    statement(
        "update users set applied_row = new.applied_row
           from unnest($2, $3, $4) as new (id, applied_row, seen_at)
          where users.tenant_id = $1 and users.id = new.id and users.updated_at = new.seen_at",
    )
    .bind::<SqlUuid, _>(tenant)
    .bind::<Array<SqlUuid>, _>(people.iter().map(|person| person.id.as_uuid()).collect::<Vec<_>>())
    .bind::<Array<Nullable<SqlUuid>>, _>(people.iter().map(|person| person.applied_row).collect::<Vec<_>>())
    .bind::<Array<Nullable<Timestamptz>>, _>(
        people.iter().map(|person| person.stored.map(|stored| stored.updated_at)).collect::<Vec<_>>(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes the users that the chunk made, as arrays. COPY straight into the table takes a third less of this statement
/// (`./tests/bench bulk_arrays_vs_copy`), but diesel-async has none, and the chunk must stay one transaction.
/// Their ids grow in file order, so they land side by side in their index. Unnested
/// in the list and not as a table, which would be put together in memory first.
async fn insert(conn: &mut Connection, tenant: TenantId, people: &[&Person<'_>]) -> QueryResult<()> {
    if people.is_empty() {
        return Ok(());
    }
    let insert_or_update = statement(
        "insert into users (tenant_id, id, given_name, surname, middle_name, preferred_name, email_address,
                            graduation_year, library_barcode, admin_system_id, gender, form_class, enabled,
                            staff_member, presentation_group_id, password_sealed, password_fingerprint,
                            applied_row, username, username_key)
         select $1, unnest($2), unnest($3), unnest($4), unnest($5), unnest($6), unnest($7), unnest($8), unnest($9),
                unnest($10), unnest($11), unnest($12), unnest($13), unnest($14), unnest($15), unnest($16),
                unnest($17), unnest($18), unnest($19), unnest($20)",
    );
    bind(insert_or_update, tenant, Columns::of(people))
        .bind::<Array<Text>, _>(people.iter().map(|person| person.username).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(people.iter().map(|person| &*person.username_key).collect::<Vec<_>>())
        .execute(conn)
        .await?;
    Ok(())
}

/// Binds the tenant as `$1` and the columns as `$2` to `$18`.
fn bind(statement: Statement<()>, tenant: TenantId, columns: Columns<'_>) -> Statement<impl Bind> {
    statement
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
        .bind::<Array<Nullable<SqlUuid>>, _>(columns.applied_row)
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
    applied_row: Vec<Option<Uuid>>,
}

impl<'a> Columns<'a> {
    fn of(people: &[&'a Person<'a>]) -> Self {
        fn column<'a, T>(people: &[&'a Person<'a>], value: impl Fn(&'a Person<'a>) -> T) -> Vec<T> {
            people.iter().map(|person| value(person)).collect()
        }
        Self {
            id: column(people, |person| person.id.as_uuid()),
            given_name: column(people, |person| person.profile.given_name),
            surname: column(people, |person| person.profile.surname),
            middle_name: column(people, |person| person.profile.middle_name),
            preferred_name: column(people, |person| person.profile.preferred_name),
            email_address: column(people, |person| person.profile.email_address),
            graduation_year: column(people, |person| person.profile.graduation_year),
            library_barcode: column(people, |person| person.profile.library_barcode),
            admin_system_id: column(people, |person| person.profile.admin_system_id),
            gender: column(people, |person| person.profile.gender),
            form_class: column(people, |person| person.profile.form_class),
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
            applied_row: column(people, |person| person.applied_row),
        }
    }
}
