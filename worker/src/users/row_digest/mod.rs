//! Row digests: how an import recognises rows that would change nothing.
//!
//! Each user stores a digest of the row that an import applied last. The same row again changes nothing, unless something
//! else has changed a value that an import can set; in that case the database deletes the digest. So the rows of an unchanged
//! nightly file are compared by their digests, whatever the number of columns, and no user is loaded.

use rollcall_schema::crypto::row_digest::RowDigestKey;
use rollcall_schema::ids::TenantId;
use rollcall_schema::tenants::tenant::PasswordPolicy;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::row::{Change, Gender, Password, UserRow};

/// To be increased when the meaning of a row changes: then every row is compared again.
const VERSION: u8 = 1;

/// Digests a tenant's rows.
#[derive(Clone)]
pub struct RowDigester {
    key: RowDigestKey,
    tenant: TenantId,
    policy: PasswordPolicy,
}

impl RowDigester {
    pub fn new(key: RowDigestKey, tenant: TenantId, policy: PasswordPolicy) -> Self {
        Self { key, tenant, policy }
    }

    /// The row's digest; `None` for a row that must never be skipped. `scratch` is a buffer.
    ///
    /// The digest covers what the row means, not how it is written: the order of columns, the encoding and whether a
    /// cell says `Y` or `yes` make no difference.
    pub fn digest(&self, row: &UserRow<'_>, scratch: &mut Zeroizing<Vec<u8>>) -> Option<Uuid> {
        if !row.problems.is_empty() {
            return None;
        }
        // The password is set by every row that has one, even if its owner has changed it since.
        if self.policy == PasswordPolicy::Always && matches!(row.password, Change::Set(_)) {
            return None;
        }
        scratch.clear();
        scratch.push(VERSION);
        scratch.extend_from_slice(self.tenant.as_bytes());
        // What a password does depends on the policy: under another policy the row is a different row.
        scratch.extend_from_slice(self.policy.as_str().as_bytes());
        for change in [
            row.given_name,
            row.surname,
            row.middle_name,
            row.preferred_name,
            row.email_address,
            row.library_barcode.as_deref(),
            row.admin_system_id,
            row.form_class,
            row.presentation_group_label.as_deref(),
            row.password.map(Password::expose),
            row.gender.map(Gender::letter),
        ] {
            write(scratch, change);
        }
        write(scratch, row.graduation_year.map(i16::to_be_bytes));
        write(scratch, row.enabled.map(|enabled| [u8::from(enabled)]));
        write(scratch, row.staff_member.map(|staff_member| [u8::from(staff_member)]));
        Some(self.key.digest(scratch))
    }
}

/// Writes each change with its kind and length first, so that no byte can be mistaken for part of its neighbour.
fn write(scratch: &mut Vec<u8>, change: Change<impl AsRef<[u8]>>) {
    match change {
        Change::Keep => scratch.push(0),
        Change::Clear => scratch.push(1),
        Change::Set(value) => {
            let bytes = value.as_ref();
            scratch.push(2);
            scratch.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
            scratch.extend_from_slice(bytes);
        }
    }
}

#[cfg(test)]
mod tests;
