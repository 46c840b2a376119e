//! The names of columns. No column is known here: each kind of import passes its own table.

use rollcall_schema::imports::model::ImportKind;

use super::field::Field;

/// The names that columns of one kind of import can have, as letters and digits in lower case, and their fields.
pub type ColumnNames = &'static [(&'static str, Field)];

/// The columns of every kind of import.
#[derive(Debug, Clone, Copy)]
pub struct ColumnTables {
    pub users: ColumnNames,
    /// All of them are required.
    pub memberships: ColumnNames,
}

impl ColumnTables {
    pub(super) const fn of(&self, kind: ImportKind) -> ColumnNames {
        match kind {
            ImportKind::Users => self.users,
            ImportKind::Memberships => self.memberships,
        }
    }

    /// The field that a column of this name holds.
    pub(super) fn field_named(&self, name: &str) -> Option<Field> {
        let name = letters_and_digits(name);
        let mut known = self.users.iter().chain(self.memberships);
        known.find_map(|(known, field)| (*known == name).then_some(*field))
    }

    /// The longest known name that a name begins with, and its field.
    pub(super) fn field_begun_by(&self, name: &str) -> Option<Field> {
        let name = letters_and_digits(name);
        let known = self.users.iter().chain(self.memberships);
        let begun = known.filter(|(known, _)| name.starts_with(known) && name != *known);
        begun.max_by_key(|(known, _)| known.len()).map(|(_, field)| *field)
    }
}

/// What counts of a column's name: its letters and digits, in lower case.
pub(super) fn letters_and_digits(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}
