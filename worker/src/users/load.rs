//! What the merge of users reads.

use chrono::{DateTime, Utc};
use rollcall_schema::ids::{GroupId, ImportId, TenantId, UserId};
use rollcall_schema::postgres::client::Session;
use tokio_postgres::{Error, Row};
use uuid::Uuid;

use super::chunk::{NamedRow, UserChunk};
use super::roster::{Profile, StagedUser, StoredUser};
use crate::census::is_roster_changed;

pub const PROBE_KEY_RANGES: &str = include_str!("sql/probe_key_ranges.sql");
pub const COMPARE_ROW_DIGESTS: &str = include_str!("sql/compare_row_digests.sql");
pub const LOAD_USERS: &str = include_str!("sql/load_users.sql");
pub const LOAD_BARCODE_OWNERS: &str = include_str!("sql/load_barcode_owners.sql");
pub const LOAD_PRESENTATION_GROUPS: &str = include_str!("sql/load_presentation_groups.sql");
pub const COUNT_NEW_GROUPS: &str = include_str!("sql/count_new_groups.sql");

/// What is known of a chunk's users and barcodes before they are looked up.
#[derive(Debug, Clone, Copy)]
pub enum Foreknowledge {
    /// The forecasts of the rows, which hold.
    Forecasts,
    Probe(RangeProbe),
}

/// What is known of a chunk: its forecasts, if it has any and they are to be trusted and only imports have changed the roster
/// since the census; otherwise what a probe finds.
pub async fn foresee(
    session: &Session,
    tenant: TenantId,
    chunk: &UserChunk,
    trusts_forecasts: bool,
) -> Result<Foreknowledge, Error> {
    if trusts_forecasts && chunk.has_forecasts() && !is_roster_changed(session, tenant).await? {
        return Ok(Foreknowledge::Forecasts);
    }
    Ok(Foreknowledge::Probe(probe_key_ranges(session, tenant, chunk).await?))
}

/// Whether the tenant's roster has nothing at all in the key ranges of a chunk.
#[derive(Debug, Clone, Copy)]
pub struct RangeProbe {
    /// No user between the least and the greatest of the chunk's username keys.
    pub usernames_free: bool,
    /// No barcode between the least and the greatest of the chunk's barcodes.
    pub barcodes_free: bool,
}

/// Asks once for the whole chunk what would otherwise be looked up for each of its rows. A first import whose file is
/// sorted by username is answered by this throughout; any other small import loses two lookups.
async fn probe_key_ranges(
    session: &Session,
    tenant: TenantId,
    chunk: &UserChunk,
) -> Result<RangeProbe, Error> {
    let usernames = chunk.usernames();
    let barcodes = chunk.barcodes();
    let row = session
        .query_one(
            PROBE_KEY_RANGES,
            &[
                &tenant.as_uuid(),
                &usernames.least(),
                &usernames.greatest(),
                &barcodes.least(),
                &barcodes.greatest(),
            ],
        )
        .await?;
    Ok(RangeProbe { usernames_free: row.try_get(0)?, barcodes_free: row.try_get(1)? })
}

/// The rows of a chunk that have to be applied.
pub struct ComparedRows<'a> {
    /// Their user does not exist.
    pub missing: Vec<NamedRow<'a>>,
    /// Their user exists, and its stored digest differs.
    pub different: Vec<NamedRow<'a>>,
}

/// Compares the digests of a chunk's rows with those of their users. Keys and digests are sent as arrays: that is faster
/// than COPY into a temporary table, which also takes one or two more round trips.
pub async fn compare_row_digests<'a>(
    txn: &Session,
    tenant: TenantId,
    rows: &[NamedRow<'a>],
) -> Result<ComparedRows<'a>, Error> {
    let keys: Vec<&str> = rows.iter().map(|row| row.key).collect();
    let digests: Vec<Option<Uuid>> = rows.iter().map(|row| row.digest.filter(|_| row.alone)).collect();
    let compared = txn.query_one(COMPARE_ROW_DIGESTS, &[&tenant.as_uuid(), &keys, &digests]).await?;
    let rows_at = |column: &str| -> Result<Vec<NamedRow<'a>>, Error> {
        let ordinalities: Vec<i32> = compared.try_get(column)?;
        let at = |ordinality: i32| rows.get(usize::try_from(ordinality).ok()?.checked_sub(1)?).copied();
        Ok(ordinalities.into_iter().filter_map(at).collect())
    };
    Ok(ComparedRows { missing: rows_at("missing")?, different: rows_at("different")? })
}

/// The users with these keys, for [`staged_user`].
pub async fn load_users(txn: &Session, tenant: TenantId, keys: &[&str]) -> Result<Vec<Row>, Error> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    txn.query(LOAD_USERS, &[&tenant.as_uuid(), &keys]).await
}

pub fn staged_user(user: &Row) -> Result<StagedUser<'_>, Error> {
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
    let row_digest: Option<Uuid> = user.try_get("row_digest")?;
    let row_version = user.try_get("row_version")?;
    let updated_at: DateTime<Utc> = user.try_get("updated_at")?;
    Ok(StagedUser {
        id: user.try_get::<_, Uuid>("id")?.into(),
        username: user.try_get("username")?,
        username_key: user.try_get("username_key")?,
        is_administrator: user.try_get("is_administrator")?,
        stored: Some(StoredUser { profile, row_digest, row_version, updated_at }),
        profile,
        row_digest: None,
        password_fingerprint: user.try_get::<_, Option<&[u8]>>("password_fingerprint")?.map(Into::into),
        password_sealed: None,
        password_owner: user.try_get("password_owner")?,
    })
}

/// The owner of a barcode.
pub struct BarcodeOwner<'a> {
    pub barcode: &'a str,
    pub user: UserId,
    pub username_key: &'a str,
}

impl<'a> BarcodeOwner<'a> {
    pub fn from_row(row: &'a Row) -> Result<Self, Error> {
        Ok(Self {
            barcode: row.try_get(0)?,
            user: row.try_get::<_, Uuid>(1)?.into(),
            username_key: row.try_get(2)?,
        })
    }
}

/// The owners of these barcodes, for [`BarcodeOwner::from_row`].
pub async fn load_barcode_owners(
    txn: &Session,
    tenant: TenantId,
    barcodes: &[&str],
) -> Result<Vec<Row>, Error> {
    if barcodes.is_empty() {
        return Ok(Vec::new());
    }
    txn.query(LOAD_BARCODE_OWNERS, &[&tenant.as_uuid(), &barcodes]).await
}

/// The presentation groups with these labels: label and id.
pub async fn load_groups(txn: &Session, tenant: TenantId, labels: &[&str]) -> Result<Vec<Row>, Error> {
    if labels.is_empty() {
        return Ok(Vec::new());
    }
    txn.query(LOAD_PRESENTATION_GROUPS, &[&tenant.as_uuid(), &labels]).await
}

/// How many presentation groups the committed chunks of an import have made.
pub async fn count_new_groups(txn: &Session, tenant: TenantId, import: ImportId) -> Result<usize, Error> {
    let row = txn.query_one(COUNT_NEW_GROUPS, &[&tenant, &import]).await?;
    Ok(usize::try_from(row.try_get::<_, i64>(0)?).unwrap_or(usize::MAX))
}
