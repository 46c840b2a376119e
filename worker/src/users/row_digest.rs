//! Telling rows that were applied before: a row that a user was left by, and that comes again, changes nothing.
//!
//! With each user a digest of the row is stored that an import applied last; it is worthless, and forgotten by the
//! database, as soon as anything else changes what an import can change. So a nightly file costs one look at an index
//! for each of its rows, whatever the number of columns, and nothing is compared or loaded.

use rollcall_schema::ids::TenantId;
use rollcall_schema::seal::RowKey;
use rollcall_schema::tenant::PasswordPolicy;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::row::{Change, Gender, Password, UserRow};

/// Grows when the same row begins to mean something else: what was digested before is then compared anew.
const VERSION: u8 = 1;

/// Digests a tenant's rows.
#[derive(Clone)]
pub struct RowDigester {
    key: RowKey,
    tenant: TenantId,
    policy: PasswordPolicy,
}

impl RowDigester {
    /// Of this tenant's rows, while its passwords are set by this policy.
    pub fn new(key: RowKey, tenant: TenantId, policy: PasswordPolicy) -> Self {
        Self { key, tenant, policy }
    }

    /// The policy by which passwords are set.
    pub fn policy(&self) -> PasswordPolicy {
        self.policy
    }

    /// The row's digest; `None` for a row that is not to be skipped however often it comes. `scratch` is used to write
    /// the row out.
    ///
    /// Of what the row means, not of how it is written: the order of columns, the encoding and whether it says `Y` or
    /// `yes` make no difference.
    pub fn digest(&self, row: &UserRow<'_>, scratch: &mut Zeroizing<Vec<u8>>) -> Option<Uuid> {
        if !row.problems.is_empty() {
            return None;
        }
        // Set with every row that gives one, whatever its owner has made of it since.
        if self.policy == PasswordPolicy::Always && matches!(row.password, Change::Set(_)) {
            return None;
        }
        scratch.clear();
        scratch.push(VERSION);
        scratch.extend_from_slice(self.tenant.as_bytes());
        // What a password asks for depends on the policy: by another one the row is another row.
        scratch.extend_from_slice(self.policy.as_str().as_bytes());
        for change in [
            row.given_name,
            row.surname,
            row.middle_name,
            row.preferred_name,
            row.email_address,
            row.library_barcode,
            row.admin_system_id,
            row.form_class,
            row.presentation_group_label,
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

/// Each change with its kind and its length before it, so that no byte can be taken for a neighbour's.
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
mod tests {
    use rollcall_schema::import::Endpoint;
    use rollcall_schema::seal::ServiceKey;

    use super::*;
    use crate::rows::header::Columns;
    use crate::read::records::Records;
    use crate::read::survey;
    use crate::users::check::check;

    /// The digest of the only row of a file, by this policy.
    fn digest(policy: PasswordPolicy, file: &str) -> Option<Uuid> {
        let key = ServiceKey::from_hex(&"5a".repeat(32)).expect("a key").row_key();
        let digester = RowDigester::new(key, TenantId::from(Uuid::nil()), policy);
        let survey = survey(file.as_bytes(), Endpoint::Users, None).expect("the file is good");
        let header = survey.header.as_ref().expect("there is a header");
        let Columns::Users(columns) = &header.columns else { panic!("it is a user import") };
        let mut records = Records::open(file.as_bytes(), &survey);
        let record = records.next_record().expect("memory can be read").expect("there is a row");
        digester.digest(&check(&record, columns), &mut Zeroizing::default())
    }

    fn by_default(file: &str) -> Option<Uuid> {
        digest(PasswordPolicy::WhenChanged, file)
    }

    #[test]
    fn a_row_is_told_by_what_it_means() {
        let row = by_default("username,enabled,surname,gender\njane,Y,Doe,f\n");
        assert!(row.is_some());
        assert_eq!(by_default("Surname;Gender;User Name;ENABLED\nDoe;F; JANE ;true\n"), row);
        for other in [
            "username,enabled,surname,gender\njane,N,Doe,f\n",
            "username,enabled,surname,gender\njane,Y,,f\n",
            "username,enabled,gender\njane,Y,f\n",
            "username,enabled,givenname,gender\njane,Y,Doe,f\n",
            "username,enabled,surname,gender,password\njane,Y,Doe,f,x\n",
        ] {
            assert!(by_default(other).is_some(), "{other}");
            assert_ne!(by_default(other), row, "{other}");
        }
    }

    #[test]
    fn no_letter_can_be_taken_for_a_neighbours() {
        let header = "username,givenname,surname\n";
        assert_ne!(by_default(&format!("{header}jane,ab,c\n")), by_default(&format!("{header}jane,a,bc\n")));
        assert_ne!(by_default(&format!("{header}jane,a,\n")), by_default(&format!("{header}jane,,a\n")));
    }

    #[test]
    fn a_row_that_must_be_looked_at_each_time_has_none() {
        assert_eq!(by_default("username,enabled\njane,perhaps\n"), None);
        let file = "username,password\njane,swordfish\n";
        assert_eq!(digest(PasswordPolicy::Always, file), None);
        assert!(digest(PasswordPolicy::Always, "username,password\njane,\n").is_some());
        // What a password asks for depends on the policy.
        assert_ne!(digest(PasswordPolicy::OnCreate, file), by_default(file));
    }
}
