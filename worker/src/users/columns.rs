//! The columns of a user import: `contract.md`, §4.

use crate::rows::header::Positions;
use crate::rows::problem::Field;

/// The columns' names and what else they are called, as letters and digits in lower case.
pub const NAMES: &[(&str, Field)] = &[
    ("username", Field::Username),
    ("givenname", Field::GivenName),
    ("surname", Field::Surname),
    ("middlename", Field::MiddleName),
    ("middleinitialname", Field::MiddleName),
    ("middleinitial", Field::MiddleName),
    ("preferredname", Field::PreferredName),
    ("emailaddress", Field::EmailAddress),
    ("email", Field::EmailAddress),
    ("graduationyear", Field::GraduationYear),
    ("librarybarcode", Field::LibraryBarcode),
    ("barcode", Field::LibraryBarcode),
    ("adminsystemid", Field::AdminSystemId),
    ("gender", Field::Gender),
    ("password", Field::Password),
    ("formclass", Field::FormClass),
    ("enabled", Field::Enabled),
    ("staffmember", Field::StaffMember),
    ("staffmemberid", Field::StaffMember),
    ("presentationgrouplabel", Field::PresentationGroupLabel),
    ("presentationgroup", Field::PresentationGroupLabel),
];

/// Where the columns of a user import stand. Only `username` is sure to be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserColumns {
    positions: Positions,
    width: usize,
}

impl UserColumns {
    /// Columns at these positions in a header of `width` cells.
    pub(crate) fn new(positions: &Positions, width: usize) -> UserColumns {
        UserColumns { positions: *positions, width }
    }

    /// The column at which `field` stands, from 0. None where the file has no such column.
    pub fn position(&self, field: Field) -> Option<usize> {
        self.positions[field as usize]
    }

    /// How many cells the header has.
    pub fn width(&self) -> usize {
        self.width
    }
}
