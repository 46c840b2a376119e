//! HashQueue a record of a group import into a row.
//!
//! Knows only the record. Which users and groups there are, only the merge can tell.

use super::columns::MembershipColumns;
use super::row::MembershipRow;
use crate::rows::problem::{Fault, Field, Problem, Problems};
use crate::read::records::{Record, Shape};
use crate::users::check::is_too_long;
use crate::users::row::Username;

/// Checks one record. A record that did not come out whole has that one problem: its cells are not known.
pub fn check<'a>(record: &Record<'a>, columns: &MembershipColumns) -> MembershipRow<'a> {
    let mut row = MembershipRow {
        username: None,
        library_group: None,
        system_group: None,
        problems: Problems::default(),
    };
    if let Some(problem) = Problem::of_row(record, columns.width()) {
        row.problems.push(problem);
    }
    if record.shape() != Shape::Whole {
        return row;
    }

    let cell = |field| record.cell(columns.position(field)?).filter(|cell| !cell.is_empty());
    let username = cell(Field::Username);
    let library_group = cell(Field::LibraryGroup);
    let system_group = cell(Field::SystemGroup);
    if username.is_none() {
        row.problems.push(Problem::Field(Field::Username, Fault::Empty));
    }
    if library_group.is_none() && system_group.is_none() {
        row.problems.push(Problem::NamesNoGroup);
    }
    row.username =
        findable(username, Problem::UNKNOWN_USER, &mut row.problems).map(|name| Username::new(name).key);
    row.library_group = findable(library_group, Problem::UNDEFINED_LIBRARY_GROUP, &mut row.problems);
    row.system_group = findable(system_group, Problem::UNDEFINED_SYSTEM_GROUP, &mut row.problems);
    row
}

/// The name, if anything in the database can have it. The others are `unknown` at once: Postgres takes no NUL to look
/// for, and names of any length would make a chunk of any size.
fn findable<'a>(name: Option<&'a str>, unknown: Problem, problems: &mut Problems) -> Option<&'a str> {
    let name = name?;
    if is_too_long(name) || name.contains('\0') {
        problems.push(unknown);
        return None;
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use rollcall_schema::import::Endpoint;

    use super::*;
    use crate::rows::header::Columns;
    use crate::read::batch::RecordBatch;
    use crate::read::records::Records;
    use crate::read::survey;

    /// The rows of a file, which lives as long as the test process: rows borrow from it.
    fn rows(lines: &str) -> Vec<MembershipRow<'static>> {
        let text = format!("library-group,username,system-group\n{lines}");
        let survey = survey(text.as_bytes(), Endpoint::UserGroups, None).expect("the file is good");
        let header = survey.header.as_ref().expect("there is a header");
        let Columns::Memberships(columns) = &header.columns else { panic!("it is a group import") };
        let mut records = Records::open(text.as_bytes(), &survey);
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
        let rows = rows(" Year 12 ,JANE, Staff\nYear\u{1}12,john\n,j\tm,Staff,,\n");
        let names = |row: &MembershipRow<'static>| {
            assert!(row.problems.is_empty());
            (row.username.clone().map(Cow::into_owned), row.library_group, row.system_group)
        };
        let some = |name: &str| Some(name.to_owned());
        assert_eq!(names(&rows[0]), (some("jane"), Some("Year 12"), Some("Staff")));
        assert_eq!(names(&rows[1]), (some("john"), Some("Year\u{1}12"), None));
        assert_eq!(names(&rows[2]), (some("j\tm"), None, Some("Staff")));
    }

    #[test]
    fn what_is_missing_is_listed_in_order() {
        assert_eq!(text("Year 12, ,Staff\n"), "Field (username) may not be empty. ");
        assert_eq!(text(",jane,\n"), "Row names no group. ");
        assert_eq!(text(" ,jane\n"), "Row names no group. ");
        assert_eq!(text(",,\n"), "Field (username) may not be empty. Row names no group. ");
        assert_eq!(
            text(",,,x\n"),
            "Row has 4 values but the header has 3 columns. Field (username) may not be empty. Row names no group. "
        );
        assert_eq!(text("\"Year 12,jane"), "Row has a quote that never closes. ");
    }

    #[test]
    fn names_that_nothing_can_have_are_unknown_without_asking() {
        for name in ["a\0".to_owned(), "é".repeat(256)] {
            let mut row = rows(&format!("{name},{name},{name}\n")).remove(0);
            assert_eq!((&row.username, &row.library_group, &row.system_group), (&None, &None, &None));
            assert_eq!(
                row.problems.to_text(),
                "Field (username) is not a known user. Field (libraryGroup) is not a defined library group. \
                 Field (systemGroup) is not a defined system group. "
            );
        }
    }
}
