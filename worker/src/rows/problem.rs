//! What is wrong with a row, and the exact words in which the school is told.
//!
//! A problem is a value until it is rendered: the check finds some, the merge adds what only the database knows, and
//! only then are they put in the order of the field table (`contract.md`, §4) and written out. Nothing here knows
//! what a good value is.

use std::fmt;

use crate::read::records::{Record, Shape};

/// A field of a row, in the order in which its problems are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is the field that its name says")]
pub enum Field {
    Username,
    GivenName,
    Surname,
    MiddleName,
    PreferredName,
    EmailAddress,
    GraduationYear,
    LibraryBarcode,
    AdminSystemId,
    Gender,
    Password,
    FormClass,
    Enabled,
    StaffMember,
    PresentationGroupLabel,
    LibraryGroup,
    SystemGroup,
}

impl Field {
    /// How many fields there are.
    pub const COUNT: usize = Field::SystemGroup as usize + 1;

    /// The field's name in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Field::Username => "username",
            Field::GivenName => "givenName",
            Field::Surname => "surname",
            Field::MiddleName => "middleName",
            Field::PreferredName => "preferredName",
            Field::EmailAddress => "emailAddress",
            Field::GraduationYear => "graduationYear",
            Field::LibraryBarcode => "libraryBarcode",
            Field::AdminSystemId => "adminSystemId",
            Field::Gender => "gender",
            Field::Password => "password",
            Field::FormClass => "formClass",
            Field::Enabled => "enabled",
            Field::StaffMember => "staffMember",
            Field::PresentationGroupLabel => "presentationGroupLabel",
            Field::LibraryGroup => "libraryGroup",
            Field::SystemGroup => "systemGroup",
        }
    }
}

/// A set of fields, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FieldSet(u32);

impl FieldSet {
    /// Puts `field` into the set.
    pub fn insert(&mut self, field: Field) {
        self.0 |= 1 << field as u32;
    }

    /// Whether `field` is in the set.
    pub fn contains(self, field: Field) -> bool {
        self.0 & (1 << field as u32) != 0
    }
}

/// What can be wrong with one field, in the order in which the faults of a field are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// Blank or absent where a value is needed.
    Empty,
    /// No address that an HTML email input would take, or longer than RFC 5321 allows.
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
    /// Control characters where there must be none.
    ControlCharacters,
    /// Another user of the tenant has the value: a barcode.
    AlreadyUsed,
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
            Fault::AlreadyUsed => "is already used by another user",
            Fault::RequiredForUser => "is required to create a user",
            Fault::RequiredForStudent => "is required to create a student",
        }
    }
}

/// One thing that is wrong with a row. Displays as the contract's sentence, with its full stop and no blank after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// A cell that is not blank stands beyond the header's last column.
    SurplusValues {
        /// The row's cells, blank ones included.
        values: usize,
        /// The header's.
        columns: usize,
    },
    /// The row is longer than [`crate::read::records::MAX_RECORD_BYTES`]; its cells were not kept.
    RowTooLong,
    /// A quote opens in the row and the file ends before it closes.
    QuoteNeverCloses,
    /// Neither group cell of a membership is filled.
    NamesNoGroup,
    /// A field's value is at fault.
    Field(Field, Fault),
}

impl Problem {
    /// Another user of the tenant has the row's barcode.
    pub const BARCODE_TAKEN: Problem = Problem::Field(Field::LibraryBarcode, Fault::AlreadyUsed);
    /// The row would create a student and has no graduation year.
    pub const GRADUATION_YEAR_REQUIRED: Problem =
        Problem::Field(Field::GraduationYear, Fault::RequiredForStudent);
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

    /// What is wrong with a row as a whole, under a header of `columns` cells.
    pub fn of_row(record: &Record<'_>, columns: usize) -> Option<Problem> {
        match record.shape() {
            Shape::TooLong => Some(Problem::RowTooLong),
            Shape::QuoteNeverCloses => Some(Problem::QuoteNeverCloses),
            Shape::Whole => record
                .has_values_beyond(columns)
                .then_some(Problem::SurplusValues { values: record.len(), columns }),
        }
    }

    /// Where the problem stands among those of its row: the row as a whole, then the fields in their order. That no
    /// group is named comes where the group cells would.
    fn place(self) -> (u8, u8) {
        match self {
            Problem::SurplusValues { .. } => (0, 0),
            Problem::RowTooLong => (0, 1),
            Problem::QuoteNeverCloses => (0, 2),
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
            Problem::QuoteNeverCloses => f.write_str("Row has a quote that never closes."),
            Problem::NamesNoGroup => f.write_str("Row names no group."),
            Problem::Field(field, fault) => write!(f, "Field ({}) {}.", field.name(), fault.text()),
        }
    }
}

/// All problems of one row. Costs no allocation while there are none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Adds a problem; the order of adding does not matter.
    pub fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// Whether the row is good so far.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The contract's `E`: each problem's text followed by one blank, in the order of the field table. A problem that
    /// was found twice is listed once.
    pub fn to_text(&mut self) -> String {
        use fmt::Write as _;

        self.0.sort_by_key(|problem| problem.place());
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
mod tests {
    use super::*;

    #[test]
    fn every_text_is_the_contracts() {
        let field = |field, fault| Problem::Field(field, fault).to_string();
        let texts = [
            (field(Field::Username, Fault::Empty), "Field (username) may not be empty."),
            (
                field(Field::EmailAddress, Fault::NotAnEmailAddress),
                "Field (emailAddress) is not a well-formed email address.",
            ),
            (field(Field::Enabled, Fault::NotABoolean), "Field (enabled) is not a valid boolean."),
            (field(Field::StaffMember, Fault::NotABoolean), "Field (staffMember) is not a valid boolean."),
            (field(Field::GraduationYear, Fault::NotAYear), "Field (graduationYear) is not a valid year."),
            (field(Field::Gender, Fault::NotAGender), "Field (gender) must be M, F or blank."),
            (
                field(Field::PresentationGroupLabel, Fault::TooManyCharacters),
                "Field (presentationGroupLabel) is longer than 255 characters.",
            ),
            (field(Field::Password, Fault::TooManyBytes), "Field (password) is longer than 1024 bytes."),
            (
                field(Field::GivenName, Fault::ControlCharacters),
                "Field (givenName) contains control characters.",
            ),
            (Problem::BARCODE_TAKEN.to_string(), "Field (libraryBarcode) is already used by another user."),
            (
                Problem::required_to_create(Field::Enabled).to_string(),
                "Field (enabled) is required to create a user.",
            ),
            (
                Problem::GRADUATION_YEAR_REQUIRED.to_string(),
                "Field (graduationYear) is required to create a student.",
            ),
            (Problem::UNKNOWN_USER.to_string(), "Field (username) is not a known user."),
            (
                Problem::UNDEFINED_LIBRARY_GROUP.to_string(),
                "Field (libraryGroup) is not a defined library group.",
            ),
            (
                Problem::UNDEFINED_SYSTEM_GROUP.to_string(),
                "Field (systemGroup) is not a defined system group.",
            ),
            (Problem::NamesNoGroup.to_string(), "Row names no group."),
            (Problem::RowTooLong.to_string(), "Row is longer than 1 MiB."),
            (Problem::QuoteNeverCloses.to_string(), "Row has a quote that never closes."),
            (
                Problem::SurplusValues { values: 16, columns: 14 }.to_string(),
                "Row has 16 values but the header has 14 columns.",
            ),
            (
                Problem::SurplusValues { values: 2, columns: 1 }.to_string(),
                "Row has 2 values but the header has 1 columns.",
            ),
        ];
        for (text, expected) in texts {
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn problems_are_listed_in_the_order_of_the_field_table_whatever_the_order_of_finding() {
        let mut problems = Problems::default();
        assert!(problems.is_empty());
        assert_eq!(problems.to_text(), "");
        problems.push(Problem::required_to_create(Field::StaffMember));
        problems.push(Problem::BARCODE_TAKEN);
        problems.push(Problem::Field(Field::Username, Fault::ControlCharacters));
        problems.push(Problem::Field(Field::EmailAddress, Fault::NotAnEmailAddress));
        problems.push(Problem::Field(Field::Username, Fault::TooManyCharacters));
        problems.push(Problem::BARCODE_TAKEN);
        problems.push(Problem::SurplusValues { values: 16, columns: 14 });
        assert!(!problems.is_empty());
        assert_eq!(
            problems.to_text(),
            "Row has 16 values but the header has 14 columns. \
             Field (username) is longer than 255 characters. \
             Field (username) contains control characters. \
             Field (emailAddress) is not a well-formed email address. \
             Field (libraryBarcode) is already used by another user. \
             Field (staffMember) is required to create a user. "
        );
    }

    #[test]
    fn a_membership_lists_username_then_groups() {
        let mut problems = Problems::default();
        problems.push(Problem::UNDEFINED_SYSTEM_GROUP);
        problems.push(Problem::UNDEFINED_LIBRARY_GROUP);
        problems.push(Problem::NamesNoGroup);
        problems.push(Problem::UNKNOWN_USER);
        assert_eq!(
            problems.to_text(),
            "Field (username) is not a known user. Row names no group. \
             Field (libraryGroup) is not a defined library group. \
             Field (systemGroup) is not a defined system group. "
        );
    }

    #[test]
    fn a_field_set_holds_each_field_apart() {
        let mut set = FieldSet::default();
        set.insert(Field::SystemGroup);
        set.insert(Field::Username);
        assert!(set.contains(Field::Username));
        assert!(set.contains(Field::SystemGroup));
        assert!(!set.contains(Field::LibraryGroup));
    }
}
