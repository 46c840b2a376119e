//! Writes the users that a chunk creates: by COPY straight into their table, which takes two thirds of the time of arrays
//! through `unnest` (`./tests/bench bulk_arrays_vs_copy`).

use std::pin::pin;

use rollcall_schema::ids::GroupId;
use rollcall_schema::postgres::client::Session;
use tokio_postgres::Error;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::Type;

use super::roster::StagedUser;

/// The tenant is not among the columns: Postgres adds that of the transaction.
///
/// [`TYPES`] and [`copy_users`] have the columns in the same order.
pub const COPY_USERS: &str = include_str!("sql/copy_users.sql");

const TYPES: [Type; 19] = [
    Type::UUID,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::INT2,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::BOOL,
    Type::BOOL,
    Type::UUID,
    Type::BYTEA,
    Type::BYTEA,
    Type::UUID,
];

/// Copies new users of the transaction's tenant. Their ids ascend in file order, so they are neighbours in the index.
pub async fn copy_users(txn: &Session, users: &[&StagedUser<'_>]) -> Result<(), Error> {
    if users.is_empty() {
        return Ok(());
    }
    let mut writer = pin!(BinaryCopyInWriter::new(txn.copy_in(COPY_USERS).await?, &TYPES));
    for user in users {
        let profile = &user.profile;
        writer
            .as_mut()
            .write(&[
                &user.id.as_uuid(),
                &user.username,
                &user.username_key,
                &profile.given_name,
                &profile.surname,
                &profile.middle_name,
                &profile.preferred_name,
                &profile.email_address,
                &profile.graduation_year,
                &profile.library_barcode,
                &profile.admin_system_id,
                &profile.gender,
                &profile.form_class,
                &profile.enabled,
                &profile.staff_member,
                &profile.presentation_group.map(GroupId::as_uuid),
                &user.password_sealed,
                &user.fingerprint_to_write(),
                &user.row_digest,
            ])
            .await?;
    }
    writer.finish().await?;
    Ok(())
}
