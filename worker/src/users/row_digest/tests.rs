use rollcall_schema::crypto::key::ServiceKey;
use rollcall_schema::imports::model::{Endpoint, ImportKind};

use super::*;
use crate::read::records::Records;
use crate::survey::survey;
use crate::users::check::check;

/// The digest of the only row of a file, by this policy.
fn digest(policy: PasswordPolicy, file: &str) -> Option<Uuid> {
    let key = ServiceKey::from_hex(&"5a".repeat(32)).expect("a key");
    let digester =
        RowDigester::new(RowDigestKey::new(&key.as_data_key()), TenantId::from(Uuid::nil()), policy);
    let survey = survey(file.as_bytes(), Endpoint::Users, None).expect("the file is good");
    let header = survey.header.as_ref().expect("there is a header");
    assert_eq!(header.kind, ImportKind::Users);
    let columns = &header.columns;
    let mut records = Records::open(file.as_bytes(), survey.format);
    let record = records.next_record().expect("memory can be read").expect("there is a row");
    digester.digest(&check(&record, columns), &mut Zeroizing::default())
}

fn by_default(file: &str) -> Option<Uuid> {
    digest(PasswordPolicy::WhenChanged, file)
}

#[test]
fn a_row_is_recognised_by_what_it_means() {
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
fn no_letter_can_be_mistaken_for_a_neighbours() {
    let header = "username,givenname,surname\n";
    assert_ne!(by_default(&format!("{header}jane,ab,c\n")), by_default(&format!("{header}jane,a,bc\n")));
    assert_ne!(by_default(&format!("{header}jane,a,\n")), by_default(&format!("{header}jane,,a\n")));
}

#[test]
fn a_row_that_must_always_be_applied_has_none() {
    assert_eq!(by_default("username,enabled\njane,perhaps\n"), None);
    let file = "username,password\njane,swordfish\n";
    assert_eq!(digest(PasswordPolicy::Always, file), None);
    assert!(digest(PasswordPolicy::Always, "username,password\njane,\n").is_some());
    // What a password does depends on the policy.
    assert_ne!(digest(PasswordPolicy::OnCreate, file), by_default(file));
}
