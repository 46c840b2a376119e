//! The checks of rows: the oracle finds the same problems, no problem's text holds anything of a cell (invariant 12), and what
//! has no problem can be stored.

use std::collections::HashSet;

use rollcall_schema::crypto::key::ServiceKey;
use rollcall_schema::crypto::row_digest::RowDigestKey;
use rollcall_schema::ids::TenantId;
use rollcall_schema::imports::model::{Endpoint, ImportKind};
use rollcall_schema::tenants::tenant::PasswordPolicy;
use rollcall_worker::memberships;
use rollcall_worker::memberships::chunk::MembershipChunk;
use rollcall_worker::read::batch::RecordBatch;
use rollcall_worker::read::record::{Record, Shape};
use rollcall_worker::read::records::Records;
use rollcall_worker::rows::problem::Problems;
use rollcall_worker::rows::write_set::WriteSet;
use rollcall_worker::survey::survey;
use rollcall_worker::users;
use rollcall_worker::users::chunk::UserChunk;
use rollcall_worker::users::row::{Change, UserRow, UsernameCell};
use rollcall_worker::users::row_digest::RowDigester;

use super::input::Input;
use crate::oracle::RowChecks;

/// Columns of users; `username` is always one.
const USER_COLUMNS: [&str; 15] = [
    "email",
    "password",
    "librarybarcode",
    "graduationyear",
    "enabled",
    "staffmember",
    "gender",
    "givenname",
    "surname",
    "middlename",
    "preferredname",
    "adminsystemid",
    "formclass",
    "presentationgroup",
    "unknown",
];
/// The most that a text of 255 characters takes in the form in which it is compared: Unicode's longest expansion is
/// threefold, and a character has four bytes.
const MAX_TEXT_BYTES: usize = 255 * 3 * 4;

pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let columns = input.number();
    let header = if columns == 0 {
        "username\tlibrary-group\tsystem-group\n".to_owned()
    } else {
        let chosen = USER_COLUMNS.iter().enumerate().filter(|(index, _)| columns >> index & 1 == 1);
        let names: Vec<&str> = ["username"].into_iter().chain(chosen.map(|(_, name)| *name)).collect();
        names.join("\t") + "\n"
    };
    let file = [header.as_bytes(), input.rest()].concat();
    let Ok(survey) = survey(&file[..], Endpoint::Users, Some("utf-8")) else {
        // A quote in the first line that closes nowhere, or a type of file that it resembles.
        return;
    };
    let header_line = header.trim_end().split('\t').map(str::to_owned).collect::<Vec<_>>();
    let oracle = RowChecks::new(&header_line);
    let header = survey.header.expect("the file has a header line");

    let key = ServiceKey::from_hex(&"5a".repeat(32)).expect("64 hexadecimal digits").as_data_key();
    let digester =
        RowDigester::new(RowDigestKey::new(&key), TenantId::generate(), PasswordPolicy::WhenChanged);
    let mut write_set = WriteSet::default();
    let mut batch = RecordBatch::default();
    let mut records = Records::open(&file[..], survey.format);
    while let Some(record) = records.next_record().expect("the survey has read the whole file") {
        let cells: Vec<String> = record.cells().map(str::to_owned).collect();
        match header.kind {
            ImportKind::Users => {
                let mut row = users::check::check(&record, &header.columns);
                let text = text_of(&mut row.problems);
                let expected = of_shape(&record).map_or_else(|| oracle.user_problems(&cells), str::to_owned);
                assert_eq!(text, expected, "{cells:?}");
                if text.is_empty() {
                    assert_can_be_stored(&row);
                }
            }
            ImportKind::Memberships => {
                let mut row = memberships::check::check(&record, &header.columns);
                let text = text_of(&mut row.problems);
                if let Some(expected) = of_shape(&record) {
                    assert_eq!(text, expected);
                } else if text.is_empty() {
                    let names = [row.library_group.as_deref(), row.system_group.as_deref()];
                    let names = names.into_iter().flatten();
                    let username =
                        row.username.as_ref().map(|name| &*name.key).expect("a row without problems");
                    names.clone().chain([username]).for_each(assert_text);
                    assert!(names.count() > 0);
                }
            }
        }
        batch.push(&record);
    }
    let rows = batch.len();
    let read = match header.kind {
        ImportKind::Users => UserChunk::new(batch, &header.columns, &digester, None, &mut write_set).len(),
        ImportKind::Memberships => {
            MembershipChunk::new(batch, &header.columns, None, &mut write_set).rows().count()
        }
    };
    assert_eq!(read, rows);
}

/// The text of a row that has a problem as a whole.
fn of_shape(record: &Record<'_>) -> Option<&'static str> {
    match record.shape() {
        Shape::Whole => None,
        Shape::TooLong => Some("Row is longer than 1 MiB. "),
        Shape::QuoteNotClosed => Some("Row has a quote that does not close. "),
        Shape::NotUtf8 => Some("Row contains bytes that are not valid UTF-8. "),
    }
}

/// The text of a row's problems, which consists of the contract's words and of numbers whatever the row holds.
fn text_of(problems: &mut Problems) -> String {
    const WORDS: &str = "Field Row (username) (givenName) (surname) (middleName) (preferredName) (emailAddress) \
        (graduationYear) (libraryBarcode) (adminSystemId) (gender) (password) (formClass) (enabled) (staffMember) \
        (presentationGroupLabel) (libraryGroup) (systemGroup) may not be empty. is a well-formed email address. valid \
        boolean. year. must M, F or blank. known user. defined library system group. longer than 255 characters. 1024 \
        bytes. contains control invisible already used by another required to create user. student. has values but the \
        header columns. 1 MiB. quote that does close. bytes are UTF-8. names no";
    let text = problems.to_text();
    let words: HashSet<&str> = WORDS.split_whitespace().collect();
    for word in text.split_whitespace() {
        assert!(
            words.contains(word) || word.bytes().all(|byte| byte.is_ascii_digit()),
            "{word:?} in {text:?}"
        );
    }
    text
}

fn assert_can_be_stored(row: &UserRow<'_>) {
    let UsernameCell::Valid(username) = &row.username else {
        panic!("a row without problems has a username")
    };
    assert_text(username.written);
    assert_text(&username.key);
    let texts = [
        row.given_name,
        row.surname,
        row.middle_name,
        row.preferred_name,
        row.email_address,
        row.library_barcode.as_deref(),
        row.admin_system_id,
        row.form_class,
        row.presentation_group_label.as_deref(),
    ];
    for text in texts {
        if let Change::Set(text) = text {
            assert_text(text);
        }
    }
    if let Change::Set(password) = row.password {
        assert!((1..=1024).contains(&password.expose().len()));
    }
}

/// Postgres can store it and find it in an index.
fn assert_text(text: &str) {
    assert!(!text.is_empty() && !text.contains('\0') && text.len() <= MAX_TEXT_BYTES, "{text:?}");
}
