//! What can be wrong with a row, and the exact texts of the contract.
//!
//! A problem is a value until it is rendered. The check finds problems, the merge adds those that only the database can
//! reveal, and then they are put in the order of the field table (contract, §4) and written out. Nothing here knows what
//! a valid value is.

use std::fmt;

use super::field::Field;
use crate::read::record::{Record, Shape};

/// What can be wrong with one field, in the order in which a field's faults are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// Blank or absent where a value is needed.
    Empty,
    /// Not an address that an HTML email input accepts, or longer than RFC 5321 allows.
    NotAnEmailAddress,
    /// None of y, yes, true, 1, n, no, false, 0.
    NotABoolean,
    /// Not four digits from 1900 to 2200.
    NotAYear,
    /// Neither M nor F.
    NotAGender,
    /// The tenant has no user of that name.
    NotAKnownUser,
    /// The tenant has no library group of that name.
    NotALibraryGroup,
    /// The tenant has no system group of that name.
    NotASystemGroup,
    /// More than 255 characters.
    TooManyCharacters,
    /// More than 1024 bytes: a password.
    TooManyBytes,
    /// Control characters where none are allowed.
    ControlCharacters,
    /// Invisible format characters inside a name.
    InvisibleCharacters,
    /// Another user of the tenant has the value: a barcode.
    AlreadyUsed,
    /// A new presentation group, beyond those that one import may make.
    TooManyGroups,
    /// Blank or absent in a row that would create a user.
    RequiredForUser,
    /// Blank or absent in a row that would create a student: a graduation year.
    RequiredForStudent,
}

impl Fault {
    const fn text(self) -> &'static str {
        match self {
            Fault::Empty => "may not be empty",
            Fault::NotAnEmailAddress => "is not a well-formed email address",
            Fault::NotABoolean => "is not a valid boolean",
            Fault::NotAYear => "is not a valid year",
            Fault::NotAGender => "must be M, F or blank",
            Fault::NotAKnownUser => "is not a known user",
            Fault::NotALibraryGroup => "is not a defined library group",
            Fault::NotASystemGroup => "is not a defined system group",
            Fault::TooManyCharacters => "is longer than 255 characters",
            Fault::TooManyBytes => "is longer than 1024 bytes",
            Fault::ControlCharacters => "contains control characters",
            Fault::InvisibleCharacters => "contains invisible characters",
            Fault::AlreadyUsed => "is already used by another user",
            Fault::TooManyGroups => "names one presentation group too many",
            Fault::RequiredForUser => "is required to create a user",
            Fault::RequiredForStudent => "is required to create a student",
        }
    }
}

/// One thing that is wrong with a row. Displays as the contract's sentence, with its full stop and no space after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// There is a non-blank cell after the header's last column.
    SurplusValues {
        /// The row's cells, including blank ones.
        values: usize,
        /// The header's cells.
        columns: usize,
    },
    /// The row is longer than [`crate::read::record::MAX_RECORD_BYTES`]; its cells were not kept.
    RowTooLong,
    /// A quote opens in the row that does not close.
    QuoteNotClosed,
    /// The row has bytes that are not UTF-8.
    NotUtf8,
    /// Neither group cell of a membership is filled.
    NamesNoGroup,
    Field(Field, Fault),
}

impl Problem {
    /// Another user of the tenant has the row's barcode.
    pub const BARCODE_TAKEN: Problem = Problem::Field(Field::LibraryBarcode, Fault::AlreadyUsed);
    /// The row would create a student and has no graduation year.
    pub const GRADUATION_YEAR_REQUIRED: Problem =
        Problem::Field(Field::GraduationYear, Fault::RequiredForStudent);
    /// The import has made as many presentation groups as it may, and the row names another new one.
    pub const TOO_MANY_GROUPS: Problem = Problem::Field(Field::PresentationGroupLabel, Fault::TooManyGroups);
    /// The membership's user does not exist.
    pub const UNKNOWN_USER: Problem = Problem::Field(Field::Username, Fault::NotAKnownUser);
    /// The membership's library group does not exist.
    pub const UNDEFINED_LIBRARY_GROUP: Problem = Problem::Field(Field::LibraryGroup, Fault::NotALibraryGroup);
    /// The membership's system group does not exist.
    pub const UNDEFINED_SYSTEM_GROUP: Problem = Problem::Field(Field::SystemGroup, Fault::NotASystemGroup);

    /// The row would create a user and has no value in `field`.
    pub const fn required_to_create(field: Field) -> Problem {
        Problem::Field(field, Fault::RequiredForUser)
    }

    /// What is wrong with a row as a whole, under a header of `columns` cells. Then its cells are not known, or not known to
    /// be in their columns, and no problem of a cell is listed.
    pub fn of_row(record: &Record<'_>, columns: usize) -> Option<Problem> {
        match record.shape() {
            Shape::TooLong => Some(Problem::RowTooLong),
            Shape::QuoteNotClosed => Some(Problem::QuoteNotClosed),
            Shape::NotUtf8 => Some(Problem::NotUtf8),
            Shape::Whole => record
                .has_values_beyond(columns)
                .then_some(Problem::SurplusValues { values: record.len(), columns }),
        }
    }

    /// The key by which a row's problems are sorted: the row as a whole, then the fields in their order. That the row
    /// names no group is listed where the group cells would be.
    fn order(self) -> (u8, u8) {
        match self {
            Problem::SurplusValues { .. } => (0, 0),
            Problem::RowTooLong => (0, 1),
            Problem::QuoteNotClosed => (0, 2),
            Problem::NotUtf8 => (0, 3),
            Problem::NamesNoGroup => (Field::LibraryGroup as u8 * 2, 0),
            Problem::Field(field, fault) => (field as u8 * 2 + 1, fault as u8),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::SurplusValues { values, columns } => {
                write!(f, "Row has {values} values but the header has {columns} columns.")
            }
            Problem::RowTooLong => f.write_str("Row is longer than 1 MiB."),
            Problem::QuoteNotClosed => f.write_str("Row has a quote that does not close."),
            Problem::NotUtf8 => f.write_str("Row contains bytes that are not valid UTF-8."),
            Problem::NamesNoGroup => f.write_str("Row names no group."),
            Problem::Field(field, fault) => write!(f, "Field ({}) {}.", field.name(), fault.text()),
        }
    }
}

/// All problems of one row. Allocates nothing while there are none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Adds a problem. The order of the calls does not matter.
    pub fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The contract's `E`: each problem's text followed by one space, in the order of the field table. A problem that
    /// was found twice is listed once.
    pub fn to_text(&mut self) -> String {
        use fmt::Write as _;

        self.0.sort_by_key(|problem| problem.order());
        self.0.dedup();
        let mut text = String::new();
        for problem in &self.0 {
            // Writing to a String cannot fail.
            let _ = write!(text, "{problem} ");
        }
        text
    }
}

#[cfg(test)]
mod tests;
