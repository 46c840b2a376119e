//! Turns a record of a user import into a row: what each cell asks for, or what is wrong with it.
//!
//! It knows only the record. Only the merge can tell whether a barcode is taken or a new user lacks a value.

use std::borrow::Cow;

use rollcall_schema::names::{has_invisible, normalized};

use super::row::{Change, Gender, Password, UserRow, UsernameCell};
use crate::read::record::Record;
use crate::rows::field::{Field, FieldSet};
use crate::rows::header::Columns;
use crate::rows::length::is_too_long;
use crate::rows::problem::{Fault, Problem, Problems};
use crate::rows::username::Username;

/// The longest password, in bytes.
const MAX_PASSWORD_BYTES: usize = 1024;
/// The longest address, in bytes: RFC 5321, §4.5.3.1.3, allows 256 including the angle brackets.
const MAX_EMAIL_BYTES: usize = 254;
/// The longest part before the `@`, in bytes: RFC 5321, §4.5.3.1.1.
const MAX_EMAIL_LOCAL_BYTES: usize = 64;
/// The longest label of a domain, in bytes.
const MAX_EMAIL_LABEL_BYTES: usize = 63;

/// Checks one record. A record with a problem as a whole has only that problem.
pub fn check<'a>(record: &Record<'a>, columns: &Columns) -> UserRow<'a> {
    if let Some(problem) = Problem::of_row(record, columns.width()) {
        return UserRow::failed(problem);
    }
    let mut cells = Cells { record, columns, problems: Problems::default(), invalid: FieldSet::default() };
    // Field initialisers run in the order in which they are written: `problems` and `invalid` come last.
    UserRow {
        username: cells.username(),
        given_name: cells.text(Field::GivenName, Change::Clear),
        surname: cells.text(Field::Surname, Change::Clear),
        middle_name: cells.text(Field::MiddleName, Change::Clear),
        preferred_name: cells.text(Field::PreferredName, Change::Clear),
        email_address: cells.value(Field::EmailAddress, Change::Clear, email_address),
        graduation_year: cells.value(Field::GraduationYear, Change::Keep, year),
        library_barcode: cells.name(Field::LibraryBarcode, Change::Keep),
        admin_system_id: cells.text(Field::AdminSystemId, Change::Keep),
        gender: cells.value(Field::Gender, Change::Clear, gender),
        password: cells.password(),
        form_class: cells.text(Field::FormClass, Change::Clear),
        enabled: cells.value(Field::Enabled, Change::Keep, boolean),
        staff_member: cells.value(Field::StaffMember, Change::Keep, boolean),
        presentation_group_label: cells.name(Field::PresentationGroupLabel, Change::Clear),
        problems: cells.problems,
        invalid: cells.invalid,
    }
}

/// The cells of one record, and the problems of those that have been checked.
struct Cells<'r, 'a> {
    record: &'r Record<'a>,
    columns: &'r Columns,
    problems: Problems,
    invalid: FieldSet,
}

impl<'a> Cells<'_, 'a> {
    fn cell(&self, field: Field) -> Option<&'a str> {
        self.record.cell(self.columns.position(field)?)
    }

    fn fail(&mut self, field: Field, fault: Fault) {
        self.problems.push(Problem::Field(field, fault));
        self.invalid.insert(field);
    }

    fn username(&mut self) -> UsernameCell<'a> {
        let Some(cell) = self.cell(Field::Username).filter(|cell| !cell.is_empty()) else {
            self.problems.push(Problem::Field(Field::Username, Fault::Empty));
            return UsernameCell::Missing;
        };
        if is_too_long(cell) {
            self.fail(Field::Username, Fault::TooManyCharacters);
        }
        if cell.chars().any(char::is_control) {
            self.fail(Field::Username, Fault::ControlCharacters);
        }
        self.refuse_invisible(Field::Username, cell);
        if self.invalid.contains(Field::Username) {
            UsernameCell::Invalid
        } else {
            UsernameCell::Valid(Username::new(cell))
        }
    }

    fn text(&mut self, field: Field, blank: Change<&'a str>) -> Change<&'a str> {
        let Some(cell) = self.cell(field) else { return Change::Keep };
        if cell.is_empty() {
            return blank;
        }
        if is_too_long(cell) {
            self.fail(field, Fault::TooManyCharacters);
        }
        self.refuse_nul(field, cell);
        if self.invalid.contains(field) { Change::Keep } else { Change::Set(cell) }
    }

    /// A text by which things are told apart, in the form in which it is compared.
    fn name(&mut self, field: Field, blank: Change<Cow<'a, str>>) -> Change<Cow<'a, str>> {
        let Some(cell) = self.cell(field) else { return Change::Keep };
        if cell.is_empty() {
            return blank;
        }
        if is_too_long(cell) {
            self.fail(field, Fault::TooManyCharacters);
        }
        self.refuse_nul(field, cell);
        self.refuse_invisible(field, cell);
        if self.invalid.contains(field) { Change::Keep } else { Change::Set(normalized(cell)) }
    }

    fn password(&mut self) -> Change<Password<'a>> {
        let Some(cell) = self.cell(Field::Password).filter(|cell| !cell.is_empty()) else {
            return Change::Keep;
        };
        if cell.len() > MAX_PASSWORD_BYTES {
            self.fail(Field::Password, Fault::TooManyBytes);
        }
        self.refuse_nul(Field::Password, cell);
        if self.invalid.contains(Field::Password) { Change::Keep } else { Change::Set(Password::new(cell)) }
    }

    /// Postgres cannot store NUL in a text. Other control characters are accepted.
    fn refuse_nul(&mut self, field: Field, cell: &str) {
        if cell.contains('\0') {
            self.fail(field, Fault::ControlCharacters);
        }
    }

    fn refuse_invisible(&mut self, field: Field, cell: &str) {
        if has_invisible(cell) {
            self.fail(field, Fault::InvisibleCharacters);
        }
    }

    fn value<T>(
        &mut self,
        field: Field,
        blank: Change<T>,
        parse: impl Fn(&'a str) -> Result<T, Fault>,
    ) -> Change<T> {
        let Some(cell) = self.cell(field) else { return Change::Keep };
        if cell.is_empty() {
            return blank;
        }
        match parse(cell) {
            Ok(value) => Change::Set(value),
            Err(fault) => {
                self.fail(field, fault);
                Change::Keep
            }
        }
    }
}

fn boolean(cell: &str) -> Result<bool, Fault> {
    let is_one_of = |words: [&str; 4]| words.iter().any(|word| cell.eq_ignore_ascii_case(word));
    if is_one_of(["y", "yes", "true", "1"]) {
        Ok(true)
    } else if is_one_of(["n", "no", "false", "0"]) {
        Ok(false)
    } else {
        Err(Fault::NotABoolean)
    }
}

fn gender(cell: &str) -> Result<Gender, Fault> {
    match cell {
        "F" | "f" => Ok(Gender::Female),
        "M" | "m" => Ok(Gender::Male),
        _ => Err(Fault::NotAGender),
    }
}

fn year(cell: &str) -> Result<i16, Fault> {
    let is_four_digits = cell.len() == 4 && cell.bytes().all(|byte| byte.is_ascii_digit());
    match cell.parse() {
        Ok(year @ 1900..=2200) if is_four_digits => Ok(year),
        _ => Err(Fault::NotAYear),
    }
}

fn email_address(cell: &str) -> Result<&str, Fault> {
    if is_email_address(cell) { Ok(cell) } else { Err(Fault::NotAnEmailAddress) }
}

/// The HTML standard's pattern for a valid email address, within the lengths of RFC 5321: ASCII letters, digits and the
/// signs that an unquoted local part may have, with dots anywhere; an `@`; and labels of letters, digits and inner
/// hyphens, joined by dots.
fn is_email_address(cell: &str) -> bool {
    let Some((local, domain)) = cell.split_once('@') else { return false };
    let is_local = |byte: u8| byte.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&byte);
    let is_label = |label: &str| {
        (1..=MAX_EMAIL_LABEL_BYTES).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    cell.len() <= MAX_EMAIL_BYTES
        && (1..=MAX_EMAIL_LOCAL_BYTES).contains(&local.len())
        && local.bytes().all(is_local)
        && domain.split('.').all(is_label)
}

#[cfg(test)]
mod tests;
