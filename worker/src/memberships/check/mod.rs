//! Turns a record of a group import into a row.
//!
//! It knows only the record. Only the merge can tell which users and groups exist.

use rollcall_schema::names::{has_invisible, normalized};

use super::row::MembershipRow;
use crate::read::record::Record;
use crate::rows::field::Field;
use crate::rows::header::Columns;
use crate::rows::length::is_too_long;
use crate::rows::problem::{Fault, Problem, Problems};
use crate::rows::username::Username;

/// Checks one record. A record with a problem as a whole has only that problem.
pub fn check<'a>(record: &Record<'a>, columns: &Columns) -> MembershipRow<'a> {
    let mut row = MembershipRow {
        username: None,
        library_group: None,
        system_group: None,
        problems: Problems::default(),
    };
    if let Some(problem) = Problem::of_row(record, columns.width()) {
        row.problems.push(problem);
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
    let mut findable = |name, field, unknown| findable(name, field, unknown, &mut row.problems);
    row.username = findable(username, Field::Username, Problem::UNKNOWN_USER).map(Username::new);
    row.library_group =
        findable(library_group, Field::LibraryGroup, Problem::UNDEFINED_LIBRARY_GROUP).map(normalized);
    row.system_group =
        findable(system_group, Field::SystemGroup, Problem::UNDEFINED_SYSTEM_GROUP).map(normalized);
    row
}

/// The name, if a row of the database can have it. Other names are `unknown` without a query: Postgres does not accept
/// NUL, and names of unlimited length would make a query of unlimited size.
fn findable<'a>(
    name: Option<&'a str>,
    field: Field,
    unknown: Problem,
    problems: &mut Problems,
) -> Option<&'a str> {
    let name = name?;
    if has_invisible(name) {
        problems.push(Problem::Field(field, Fault::InvisibleCharacters));
        return None;
    }
    if is_too_long(name) || name.contains('\0') {
        problems.push(unknown);
        return None;
    }
    Some(name)
}

#[cfg(test)]
mod tests;
