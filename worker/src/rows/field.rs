//! The fields that a row can have, of every kind of import.

/// A field of a row, in the order in which its problems are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

/// A set of fields, as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FieldSet(u32);

impl FieldSet {
    pub fn insert(&mut self, field: Field) {
        self.0 |= 1 << field as u32;
    }

    pub fn contains(self, field: Field) -> bool {
        self.0 & (1 << field as u32) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
