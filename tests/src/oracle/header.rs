//! The header → the kind of import and the positions of its columns (§3, §4, §5).

use std::collections::BTreeMap;

use super::endpoint::Endpoint;

/// A column of either kind of import. The order is that in which a row's problems are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Column {
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

impl Column {
    /// The column that a header cell names. Only its letters and digits count, in any case.
    pub fn named(cell: &str) -> Option<Self> {
        let name: String =
            cell.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
        Some(match name.as_str() {
            "username" => Self::Username,
            "givenname" => Self::GivenName,
            "surname" => Self::Surname,
            "middlename" | "middleinitialname" | "middleinitial" => Self::MiddleName,
            "preferredname" => Self::PreferredName,
            "emailaddress" | "email" => Self::EmailAddress,
            "graduationyear" => Self::GraduationYear,
            "librarybarcode" | "barcode" => Self::LibraryBarcode,
            "adminsystemid" => Self::AdminSystemId,
            "gender" => Self::Gender,
            "password" => Self::Password,
            "formclass" => Self::FormClass,
            "enabled" => Self::Enabled,
            "staffmember" | "staffmemberid" => Self::StaffMember,
            "presentationgrouplabel" | "presentationgroup" => Self::PresentationGroupLabel,
            "librarygroup" => Self::LibraryGroup,
            "systemgroup" => Self::SystemGroup,
            _ => return None,
        })
    }

    /// The column's name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Username => "username",
            Self::GivenName => "givenName",
            Self::Surname => "surname",
            Self::MiddleName => "middleName",
            Self::PreferredName => "preferredName",
            Self::EmailAddress => "emailAddress",
            Self::GraduationYear => "graduationYear",
            Self::LibraryBarcode => "libraryBarcode",
            Self::AdminSystemId => "adminSystemId",
            Self::Gender => "gender",
            Self::Password => "password",
            Self::FormClass => "formClass",
            Self::Enabled => "enabled",
            Self::StaffMember => "staffMember",
            Self::PresentationGroupLabel => "presentationGroupLabel",
            Self::LibraryGroup => "libraryGroup",
            Self::SystemGroup => "systemGroup",
        }
    }

    fn is_group_column(self) -> bool {
        matches!(self, Self::LibraryGroup | Self::SystemGroup)
    }
}

/// The positions of an import's columns.
#[derive(Debug)]
pub struct Columns {
    positions: BTreeMap<Column, usize>,
    width: usize,
}

#[derive(Debug)]
pub enum ImportKind {
    Users(Columns),
    Groups(Columns),
}

impl Columns {
    /// The text of a row's cell, or `None` if the column is absent or the row is too short to reach it.
    pub fn cell<'a>(&self, column: Column, cells: &'a [String]) -> Option<&'a str> {
        cells.get(*self.positions.get(&column)?).map(String::as_str)
    }

    /// The number of columns in the header, including unknown ones.
    pub fn width(&self) -> usize {
        self.width
    }
}

/// Decides which kind of import a header describes. The error is the reason why the file cannot be imported.
pub fn import_kind(endpoint: Endpoint, header: &[String]) -> Result<ImportKind, String> {
    let found: Vec<(usize, Column)> = header
        .iter()
        .enumerate()
        .filter_map(|(position, cell)| Some((position, Column::named(cell)?)))
        .collect();
    let has = |column| found.iter().any(|(_, known)| *known == column);

    if !has(Column::Username) {
        return Err("There is no username column.".to_owned());
    }
    let any_group_column = has(Column::LibraryGroup) || has(Column::SystemGroup);
    let any_user_column = found.iter().any(|(_, c)| *c != Column::Username && !c.is_group_column());
    if any_group_column && any_user_column {
        return Err("The file holds users and groups. Send them as two files.".to_owned());
    }
    let is_group_import = endpoint == Endpoint::UserGroups || any_group_column;
    if is_group_import && !(has(Column::LibraryGroup) && has(Column::SystemGroup)) {
        return Err("A group import needs the columns username, library-group and system-group.".to_owned());
    }

    let mut positions = BTreeMap::new();
    for (at, column) in found {
        if positions.insert(column, at).is_some() {
            return Err(format!("The column {} appears twice.", column.name()));
        }
    }
    let columns = Columns { positions, width: header.len() };
    Ok(if is_group_import { ImportKind::Groups(columns) } else { ImportKind::Users(columns) })
}
