use std::borrow::Cow;

use rollcall_schema::imports::model::{Endpoint, ImportKind};

use super::*;
use crate::read::batch::RecordBatch;
use crate::read::records::Records;
use crate::survey::survey;

/// The rows of a file, which lives as long as the test process: rows borrow from it.
fn rows(lines: &str) -> Vec<MembershipRow<'static>> {
    let text = format!("library-group,username,system-group\n{lines}");
    let survey = survey(text.as_bytes(), Endpoint::UserGroups, None).expect("the file is good");
    let header = survey.header.as_ref().expect("there is a header");
    assert_eq!(header.kind, ImportKind::Memberships);
    let columns = &header.columns;
    let mut records = Records::open(text.as_bytes(), survey.format);
    let mut batch = RecordBatch::default();
    while let Some(record) = records.next_record().expect("memory can be read") {
        batch.push(&record);
    }
    let batch: &RecordBatch = Box::leak(Box::new(batch));
    batch.iter().map(|record| check(&record, columns)).collect()
}

fn text(line: &str) -> String {
    rows(line).remove(0).problems.to_text()
}

#[test]
fn a_row_names_a_user_and_a_group_or_two() {
    let rows = rows(" Year  12 ,JANE, Staff\nYear\u{1}12,john\n,j\tm,Staff,,\n");
    let names = |row: &MembershipRow<'static>| {
        assert!(row.problems.is_empty());
        let owned = |name: &Option<Cow<'static, str>>| name.clone().map(Cow::into_owned);
        let username = row.username.as_ref().map(|username| username.key.clone().into_owned());
        (username, owned(&row.library_group), owned(&row.system_group))
    };
    let some = |name: &str| Some(name.to_owned());
    assert_eq!(names(&rows[0]), (some("jane"), some("Year 12"), some("Staff")));
    assert_eq!(names(&rows[1]), (some("john"), some("Year\u{1}12"), None));
    assert_eq!(names(&rows[2]), (some("j\tm"), None, some("Staff")));
}

#[test]
fn what_is_missing_is_listed_in_order() {
    assert_eq!(text("Year 12, ,Staff\n"), "Field (username) may not be empty. ");
    assert_eq!(text(",jane,\n"), "Row names no group. ");
    assert_eq!(text(" ,jane\n"), "Row names no group. ");
    assert_eq!(text(",,,x\n"), "Row has 4 values but the header has 3 columns. ");
    assert_eq!(text("\"Year 12,jane"), "Row has a quote that does not close. ");
}

#[test]
fn names_that_nothing_can_have_are_unknown_without_asking() {
    for name in ["a\0b".to_owned(), "é".repeat(256)] {
        let mut row = rows(&format!("{name},{name},{name}\n")).remove(0);
        assert_eq!((&row.username, &row.library_group, &row.system_group), (&None, &None, &None));
        assert_eq!(
            row.problems.to_text(),
            "Field (username) is not a known user. Field (libraryGroup) is not a defined library group. \
             Field (systemGroup) is not a defined system group. "
        );
    }
}

#[test]
fn invisible_characters_inside_a_name_are_named() {
    assert_eq!(
        text("Year\u{200B}7,ja\u{AD}ne,\u{FEFF}Sta\u{2060}ff\n"),
        "Field (username) contains invisible characters. Field (libraryGroup) contains invisible characters. \
         Field (systemGroup) contains invisible characters. "
    );
}
