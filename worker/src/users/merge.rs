//! Merges a chunk of users into the tenant's table: pass over the rows that were applied before, load what the others
//! can touch, apply them in order, write what came out different. A handful of statements whatever the number of rows.

use chrono::{DateTime, Utc};
use futures_util::future::{try_join3, try_join5};
use rollcall_schema::ids::{GroupId, TenantId, UserId};
use rollcall_schema::outcome::{ChunkOutcomes, Outcome};
use rollcall_schema::session::Session;
use tokio::task::block_in_place;
use tokio_postgres::{Error, Row};
use uuid::Uuid;

use super::chunk::UserChunk;
use super::copy::{COPY, copy};
use super::roster::{BarcodeOwners, NewGroup, Passwords, StagedUser, Profile, Roster, StoredUser};
use super::row::{Change, UserRow};
use crate::merge::chunk::Merged;
use crate::merge::commit_order::CommitTicket;

/// Merges a chunk, in its transaction, of which it was asked whether it [lies beyond](probe_key_ranges) what there is. What it
/// cannot know yet while earlier chunks are in flight, and what somebody else changed meanwhile, it says, and the
/// transaction is to be rolled back.
pub async fn merge_in_txn(
    txn: &Session,
    passwords: Passwords<'_>,
    first_row: u64,
    chunk: &UserChunk,
    beyond: RangeProbe,
    ticket: &CommitTicket,
) -> Result<Merged, Error> {
    let tenant = passwords.tenant;
    let known = if beyond.usernames { Known::none(chunk) } else { compare(txn, tenant, chunk).await? };
    let rows = block_in_place(|| known.rows(chunk));

    let claimed = if beyond.barcodes { Vec::new() } else { set_values(&rows, |row| row.library_barcode) };
    let (stored, owners, groups) = try_join3(
        load_users(txn, tenant, &known.different),
        load_barcode_owners(txn, tenant, &claimed),
        load_groups(txn, tenant, &rows),
    )
    .await?;
    let owners = owners.iter().map(BarcodeOwner::from_row).collect::<Result<Vec<_>, _>>()?;
    if owners.iter().any(|owner| ticket.predecessors().iter().any(|chunk| chunk.has_user(owner.username_key))) {
        // An earlier chunk may be about to take the barcode from its owner.
        return Ok(Merged::TooEarly);
    }

    let users = stored.iter().map(user).collect::<Result<_, _>>()?;
    let owners: BarcodeOwners<'_> = owners.iter().map(|owner| (owner.barcode, owner.user)).collect();
    let groups = groups
        .iter()
        .map(|group| Ok((group.try_get(0)?, group.try_get::<_, Uuid>(1)?.into())))
        .collect::<Result<_, Error>>()?;
    let mut roster = Roster::new(passwords, users, owners, groups);
    let outcomes = block_in_place(|| apply(&mut roster, first_row, chunk.len(), rows));
    if !roster.new_groups().is_empty() && !ticket.predecessors().is_empty() {
        // An earlier chunk may be about to make them, too.
        return Ok(Merged::TooEarly);
    }

    let releasing: Vec<Uuid> = roster.releasing().map(UserId::as_uuid).collect();
    let changed: Vec<_> = roster.changed().collect();
    let newly_digested: Vec<_> = roster.newly_digested().collect();
    let created: Vec<_> = roster.created().collect();
    // Sent one behind the other: users belong to the groups, and take the barcodes.
    txn.prepare(&[INSERT_GROUPS, RELEASE_BARCODES, UPDATE, UPDATE_ROW_DIGESTS, COPY]).await?;
    let ((), (), updated, (), ()) = try_join5(
        insert_groups(txn, tenant, roster.new_groups()),
        release_barcodes(txn, tenant, &releasing),
        update(txn, tenant, &changed),
        update_row_digests(txn, tenant, &newly_digested),
        copy(txn, tenant, &created),
    )
    .await?;
    if updated != changed.len() as u64 {
        return Ok(Merged::Overtaken);
    }
    let sealed =
        |users: &[&StagedUser<'_>]| users.iter().filter(|user| user.password_sealed.is_some()).count();
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
#[derive(Debug, Clone, Copy)]
pub struct RangeProbe {
    /// No user of the tenant stands between the least and the greatest of the chunk's usernames.
    usernames: bool,
    /// Nor any barcode between the least and the greatest of its barcodes.
    barcodes: bool,
}

/// Asks for the whole chunk at once what would else be asked for each of its rows. A first import in the order of the
/// names is answered so throughout; any other loses two look-ups a chunk.
pub async fn probe_key_ranges(session: &Session, tenant: TenantId, chunk: &UserChunk) -> Result<RangeProbe, Error> {
    let usernames = chunk.usernames();
    let barcodes = chunk.barcodes();
    let row = session
        .query_one(
            "select not exists (select from users where tenant_id = $1 and username_key between $2 and $3),
                    not exists (select from users where tenant_id = $1 and library_barcode between $4 and $5)",
            &[
                &tenant.as_uuid(),
                &usernames.least(),
                &usernames.greatest(),
                &barcodes.least(),
                &barcodes.greatest(),
            ],
        )
        .await?;
    Ok(RangeProbe { usernames: row.try_get(0)?, barcodes: row.try_get(1)? })
}

/// Asks which of the chunk's rows were applied before. Only the exceptions are told, in one row: a file that comes
/// again unchanged costs an index look-up per row and nothing on the way back. Sent as arrays: a key and a digest per row
/// are brought in faster so than by COPY into a temporary table, which takes a round trip or two besides.
async fn compare<'a>(txn: &Session, tenant: TenantId, chunk: &'a UserChunk) -> Result<Known<'a>, Error> {
    let mut known =
        Known { applied: vec![false; chunk.len()], digests: vec![None; chunk.len()], different: Vec::new() };
    let named: Vec<_> = chunk.named().collect();
    if named.is_empty() {
        return Ok(known);
    }
    let keys: Vec<&str> = named.iter().map(|row| row.key).collect();
    let digests: Vec<Option<Uuid>> = named.iter().map(|row| row.digest.filter(|_| row.alone)).collect();
    let compared = txn
        .query_one(
            "select coalesce(array_agg(named.n::int) filter (where users.id is null), '{}') as missing,
                    coalesce(array_agg(named.n::int) filter (where users.id is not null), '{}') as different
               from unnest($2::text[], $3::uuid[]) with ordinality as named (key, digest, n)
               left join users on users.tenant_id = $1 and users.username_key = named.key
              where named.digest is null or users.applied_row is distinct from named.digest",
            &[&tenant.as_uuid(), &keys, &digests],
        )
        .await?;
    let missing: Vec<i32> = compared.try_get("missing")?;
    let different: Vec<i32> = compared.try_get("different")?;
    for row in &named {
        known.applied[row.row] = true;
    }
    let at = |ordinality: i32| usize::try_from(ordinality).ok().and_then(|n| named.get(n.checked_sub(1)?));
    for row in missing.iter().chain(&different).filter_map(|n| at(*n)) {
        known.applied[row.row] = false;
    }
    known.different = different.iter().filter_map(|n| at(*n)).map(|row| row.key).collect();
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

/// The users of these keys, as [`user`] takes them.
async fn load_users(txn: &Session, tenant: TenantId, keys: &[&str]) -> Result<Vec<Row>, Error> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    txn.query(
        "select id, username, username_key, given_name, surname, middle_name, preferred_name, email_address,
                graduation_year, library_barcode, admin_system_id, gender, form_class, enabled, staff_member,
                presentation_group_id, password_fingerprint, applied_row, updated_at
           from users where tenant_id = $1 and username_key = any($2)",
        &[&tenant.as_uuid(), &keys],
    )
    .await
}

fn user(user: &Row) -> Result<StagedUser<'_>, Error> {
    let profile = Profile {
        given_name: user.try_get("given_name")?,
        surname: user.try_get("surname")?,
        middle_name: user.try_get("middle_name")?,
        preferred_name: user.try_get("preferred_name")?,
        email_address: user.try_get("email_address")?,
        graduation_year: user.try_get("graduation_year")?,
        library_barcode: user.try_get("library_barcode")?,
        admin_system_id: user.try_get("admin_system_id")?,
        gender: user.try_get("gender")?,
        form_class: user.try_get("form_class")?,
        enabled: user.try_get("enabled")?,
        staff_member: user.try_get("staff_member")?,
        presentation_group: user.try_get::<_, Option<Uuid>>("presentation_group_id")?.map(GroupId::from),
    };
    let row_digest: Option<Uuid> = user.try_get("applied_row")?;
    let updated_at: DateTime<Utc> = user.try_get("updated_at")?;
    Ok(StagedUser {
        id: user.try_get::<_, Uuid>("id")?.into(),
        username: user.try_get("username")?,
        username_key: user.try_get::<_, &str>("username_key")?.into(),
        stored: Some(StoredUser { profile, row_digest, updated_at }),
        profile,
        row_digest: None,
        password_fingerprint: user.try_get::<_, Option<&[u8]>>("password_fingerprint")?.map(Into::into),
        password_sealed: None,
    })
}

/// Who has a barcode.
struct BarcodeOwner<'a> {
    barcode: &'a str,
    user: UserId,
    username_key: &'a str,
}

impl<'a> BarcodeOwner<'a> {
    fn from_row(row: &'a Row) -> Result<Self, Error> {
        Ok(Self {
            barcode: row.try_get(0)?,
            user: row.try_get::<_, Uuid>(1)?.into(),
            username_key: row.try_get(2)?,
        })
    }
}

/// Who has these barcodes, as [`BarcodeOwner`] takes them.
async fn load_barcode_owners(txn: &Session, tenant: TenantId, barcodes: &[&str]) -> Result<Vec<Row>, Error> {
    if barcodes.is_empty() {
        return Ok(Vec::new());
    }
    txn.query(
        "select library_barcode, id, username_key from users where tenant_id = $1 and library_barcode = any($2)",
        &[&tenant.as_uuid(), &barcodes],
    )
    .await
}

/// The presentation groups that the rows name and that there are: label and id.
async fn load_groups(txn: &Session, tenant: TenantId, rows: &[RowAt<'_>]) -> Result<Vec<Row>, Error> {
    let mut labels = set_values(rows, |row| row.presentation_group_label);
    labels.sort_unstable();
    labels.dedup();
    if labels.is_empty() {
        return Ok(Vec::new());
    }
    txn.query(
        "select label, id from presentation_groups where tenant_id = $1 and label = any($2)",
        &[&tenant.as_uuid(), &labels],
    )
    .await
}

fn set_values<'a>(rows: &[RowAt<'a>], cell: impl Fn(&UserRow<'a>) -> Change<&'a str>) -> Vec<&'a str> {
    rows.iter()
        .filter_map(|at| match cell(&at.row) {
            Change::Set(value) => Some(value),
            Change::Keep | Change::Clear => None,
        })
        .collect()
}

const INSERT_GROUPS: &str = "insert into presentation_groups (tenant_id, id, label)
                             select $1, id, label from unnest($2::uuid[], $3::text[]) as new (id, label)";

async fn insert_groups(txn: &Session, tenant: TenantId, groups: &[NewGroup<'_>]) -> Result<(), Error> {
    if groups.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = groups.iter().map(|group| group.id.as_uuid()).collect();
    let labels: Vec<&str> = groups.iter().map(|group| group.label).collect();
    txn.execute(INSERT_GROUPS, &[&tenant.as_uuid(), &ids, &labels]).await?;
    Ok(())
}

const RELEASE_BARCODES: &str =
    "update users set library_barcode = null where tenant_id = $1 and id = any($2)";

/// Frees the barcodes that go from one user to another, so that no order of writing meets a barcode twice.
async fn release_barcodes(txn: &Session, tenant: TenantId, users: &[Uuid]) -> Result<(), Error> {
    if users.is_empty() {
        return Ok(());
    }
    txn.execute(RELEASE_BARCODES, &[&tenant.as_uuid(), &users]).await?;
    Ok(())
}

const UPDATE: &str = "update users
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
       from unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::smallint[],
                   $9::text[], $10::text[], $11::text[], $12::text[], $13::boolean[], $14::boolean[],
                   $15::uuid[], $16::bytea[], $17::bytea[], $18::uuid[], $19::timestamptz[])
            as new (id, given_name, surname, middle_name, preferred_name, email_address, graduation_year,
                    library_barcode, admin_system_id, gender, form_class, enabled, staff_member,
                    presentation_group_id, password_sealed, password_fingerprint, applied_row, seen_at)
      where users.tenant_id = $1 and users.id = new.id and users.updated_at = new.seen_at";

/// Writes the users that came out different, as arrays; returns how many. One that somebody else has changed since it
/// was loaded is not written. A password column is touched only where a password is applied: the owner may change it,
/// and the hasher may hash it, at any time.
async fn update(txn: &Session, tenant: TenantId, users: &[&StagedUser<'_>]) -> Result<u64, Error> {
    if users.is_empty() {
        return Ok(0);
    }
    txn.execute(
        UPDATE,
        &[
            &tenant.as_uuid(),
            &column(users, |user| user.id.as_uuid()),
            &column(users, |user| user.profile.given_name),
            &column(users, |user| user.profile.surname),
            &column(users, |user| user.profile.middle_name),
            &column(users, |user| user.profile.preferred_name),
            &column(users, |user| user.profile.email_address),
            &column(users, |user| user.profile.graduation_year),
            &column(users, |user| user.profile.library_barcode),
            &column(users, |user| user.profile.admin_system_id),
            &column(users, |user| user.profile.gender),
            &column(users, |user| user.profile.form_class),
            &column(users, |user| user.profile.enabled),
            &column(users, |user| user.profile.staff_member),
            &column(users, |user| user.profile.presentation_group.map(GroupId::as_uuid)),
            &column(users, |user| user.password_sealed.as_deref()),
            &column(users, |user| user.fingerprint_to_write()),
            &column(users, |user| user.row_digest),
            &column(users, seen_at),
        ],
    )
    .await
}

const UPDATE_ROW_DIGESTS: &str = "update users set applied_row = new.applied_row
       from unnest($2::uuid[], $3::uuid[], $4::timestamptz[]) as new (id, applied_row, seen_at)
      where users.tenant_id = $1 and users.id = new.id and users.updated_at = new.seen_at";

/// Keeps which row was applied last to users that are as it says already.
async fn update_row_digests(txn: &Session, tenant: TenantId, users: &[&StagedUser<'_>]) -> Result<(), Error> {
    if users.is_empty() {
        return Ok(());
    }
    txn.execute(
        UPDATE_ROW_DIGESTS,
        &[
            &tenant.as_uuid(),
            &column(users, |user| user.id.as_uuid()),
            &column(users, |user| user.row_digest),
            &column(users, seen_at),
        ],
    )
    .await?;
    Ok(())
}

/// People turned on their side: a column of them, as `unnest` takes it.
fn column<'a, T>(users: &[&'a StagedUser<'a>], value: impl Fn(&'a StagedUser<'a>) -> T) -> Vec<T> {
    users.iter().map(|user| value(user)).collect()
}

fn seen_at(user: &StagedUser<'_>) -> Option<DateTime<Utc>> {
    user.stored.map(|stored| stored.updated_at)
}
