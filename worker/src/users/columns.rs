//! The columns of a user import (contract, §4).

use crate::rows::columns::ColumnNames;
use crate::rows::field::Field;

/// The columns' names and their aliases, as letters and digits in lower case.
pub const NAMES: ColumnNames = &[
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
