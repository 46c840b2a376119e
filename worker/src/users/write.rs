//! What the merge of users writes as arrays. New users are written by [`super::copy`].

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use rollcall_schema::ids::{GroupId, TenantId, UserId};
use rollcall_schema::postgres::client::Session;
use tokio_postgres::Error;
use uuid::Uuid;

use super::roster::{NewGroup, StagedUser};
use super::row_version::RowVersion;

pub const INSERT_PRESENTATION_GROUPS: &str = include_str!("sql/insert_presentation_groups.sql");
pub const RELEASE_BARCODES: &str = include_str!("sql/release_barcodes.sql");
pub const UPDATE_USERS: &str = include_str!("sql/update_users.sql");
pub const UPDATE_ROW_DIGESTS: &str = include_str!("sql/update_row_digests.sql");

pub async fn insert_groups(txn: &Session, tenant: TenantId, groups: &[NewGroup<'_>]) -> Result<(), Error> {
    if groups.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = groups.iter().map(|group| group.id.as_uuid()).collect();
    let labels: Vec<&str> = groups.iter().map(|group| group.label).collect();
    txn.execute(INSERT_PRESENTATION_GROUPS, &[&tenant.as_uuid(), &ids, &labels]).await?;
    Ok(())
}

/// Where the versions of users are that this transaction has written.
pub type RowVersions = HashMap<UserId, RowVersion>;

/// Frees the barcodes that move from one user to another, so that no order of writing meets a barcode twice. Returns the
/// versions that this made.
pub async fn release_barcodes(txn: &Session, tenant: TenantId, users: &[Uuid]) -> Result<RowVersions, Error> {
    if users.is_empty() {
        return Ok(RowVersions::new());
    }
    let released = txn.query(RELEASE_BARCODES, &[&tenant.as_uuid(), &users]).await?;
    released.iter().map(|user| Ok((user.try_get::<_, Uuid>(0)?.into(), user.try_get(1)?))).collect()
}

/// Writes the users that have changed and returns how many were written. A user that another transaction has changed
/// since it was loaded is not written. `released` are the versions that [`release_barcodes`] has made of some.
pub async fn update_users(
    txn: &Session,
    tenant: TenantId,
    users: &[&StagedUser<'_>],
    released: &RowVersions,
) -> Result<u64, Error> {
    if users.is_empty() {
        return Ok(0);
    }
    txn.execute(
        UPDATE_USERS,
        &[
            &tenant.as_uuid(),
            &column(users, |user| released.get(&user.id).copied().or_else(|| row_version(user))),
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
            &column(users, |user| user.id.as_uuid()),
            &column(users, seen_at),
        ],
    )
    .await
}

/// Stores the digest of the last row for users that already have the values of that row.
pub async fn update_row_digests(
    txn: &Session,
    tenant: TenantId,
    users: &[&StagedUser<'_>],
) -> Result<(), Error> {
    if users.is_empty() {
        return Ok(());
    }
    txn.execute(
        UPDATE_ROW_DIGESTS,
        &[
            &tenant.as_uuid(),
            &column(users, row_version),
            &column(users, |user| user.row_digest),
            &column(users, |user| user.id.as_uuid()),
            &column(users, seen_at),
        ],
    )
    .await?;
    Ok(())
}

/// One column of the users, as `unnest` takes it.
fn column<'a, T>(users: &[&'a StagedUser<'a>], value: impl Fn(&'a StagedUser<'a>) -> T) -> Vec<T> {
    users.iter().map(|user| value(user)).collect()
}

fn row_version(user: &StagedUser<'_>) -> Option<RowVersion> {
    user.stored.map(|stored| stored.row_version)
}

fn seen_at(user: &StagedUser<'_>) -> Option<DateTime<Utc>> {
    user.stored.map(|stored| stored.updated_at)
}
