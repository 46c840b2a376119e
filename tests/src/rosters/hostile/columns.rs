//! The columns of a generated file.

use crate::rosters::rng::Rng;

/// What a generated file concentrates on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Focus {
    /// Every rule.
    Anything,
    /// Rows whose outcome depends on barcodes alone: chains, swaps and conflicts.
    Barcodes,
    /// A file of few columns that can only update users.
    Update,
    /// Memberships.
    Groups,
}

/// The columns a generated header may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    Username,
    GivenName,
    Surname,
    MiddleName,
    PreferredName,
    Email,
    GraduationYear,
    Barcode,
    AdminSystemId,
    Gender,
    Password,
    FormClass,
    Enabled,
    StaffMember,
    PresentationGroup,
    LibraryGroup,
    SystemGroup,
    Unknown,
}

const USER_FIELDS: [Field; 15] = [
    Field::Username,
    Field::GivenName,
    Field::Surname,
    Field::MiddleName,
    Field::PreferredName,
    Field::Email,
    Field::GraduationYear,
    Field::Barcode,
    Field::AdminSystemId,
    Field::Gender,
    Field::Password,
    Field::FormClass,
    Field::Enabled,
    Field::StaffMember,
    Field::PresentationGroup,
];

impl Field {
    /// The names that a header may use, the most common first, as separate words.
    pub fn names(self) -> &'static [&'static str] {
        match self {
            Self::Username => &["user name"],
            Self::GivenName => &["given name"],
            Self::Surname => &["surname"],
            Self::MiddleName => &["middle name", "middle initial name", "middle initial"],
            Self::PreferredName => &["preferred name"],
            Self::Email => &["email address", "email"],
            Self::GraduationYear => &["graduation year"],
            Self::Barcode => &["library barcode", "barcode"],
            Self::AdminSystemId => &["admin system id"],
            Self::Gender => &["gender"],
            Self::Password => &["password"],
            Self::FormClass => &["form class"],
            Self::Enabled => &["enabled"],
            Self::StaffMember => &["staff member", "staff member id"],
            Self::PresentationGroup => &["presentation group label", "presentation group"],
            Self::LibraryGroup => &["library group"],
            Self::SystemGroup => &["system group"],
            Self::Unknown => &["house", "locker no 2", "", "Größe", "user", "name", "group", "style1"],
        }
    }
}

/// Draws the columns of a file.
pub fn random_fields(rng: &mut Rng, focus: Focus) -> Vec<Field> {
    let mut fields = match focus {
        Focus::Groups => vec![Field::Username, Field::LibraryGroup, Field::SystemGroup],
        Focus::Barcodes => vec![Field::Username, Field::Barcode, Field::Enabled, Field::StaffMember],
        Focus::Update => vec![Field::Username, Field::Password, Field::Email, Field::FormClass],
        Focus::Anything if rng.chance(25) => USER_FIELDS.to_vec(),
        Focus::Anything => {
            let required = rng.chance(88);
            let percent = rng.pick(&[20, 50, 80]);
            let mut fields = USER_FIELDS.to_vec();
            fields.retain(|field| match field {
                Field::Username => true,
                Field::Enabled | Field::StaffMember if required => true,
                Field::GraduationYear if required => rng.chance(75),
                _ => rng.chance(percent),
            });
            fields
        }
    };
    for _ in 0..if rng.chance(25) { 1 + rng.below(3) } else { 0 } {
        fields.push(Field::Unknown);
    }
    match rng.below(100) {
        0..2 => fields.push(rng.pick(&USER_FIELDS)),
        // Users and groups in one file.
        2..4 => fields.push(rng.pick(&[Field::LibraryGroup, Field::SystemGroup])),
        4..6 => {
            let at = rng.below(fields.len());
            fields.remove(at);
        }
        6 => fields.extend([Field::LibraryGroup, Field::SystemGroup]),
        7 => fields = vec![Field::Username, rng.pick(&[Field::LibraryGroup, Field::SystemGroup])],
        _ => {}
    }
    if rng.chance(45) {
        rng.shuffle(&mut fields);
    }
    // A header of one column contains no delimiter to detect.
    while fields.len() < 2 {
        fields.push(Field::Unknown);
    }
    fields
}
