//! The header → which import it is and where its columns stand (§3, §4, §5).

use std::collections::BTreeMap;

use super::endpoint::Endpoint;

/// A column of a user import or of a group import, in the order in which a row's problems are listed.
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
    /// By a header cell's letters and digits in lower case.
    fn of(name: &str) -> Option<Self> {
        Some(match name {
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

    /// The name in messages.
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

    fn is_of_groups(self) -> bool {
        matches!(self, Self::LibraryGroup | Self::SystemGroup)
    }
}

/// Where the columns of an import stand.
#[derive(Debug)]
pub struct Columns {
    position: BTreeMap<Column, usize>,
    width: usize,
}

/// Which import a file is.
#[derive(Debug)]
pub enum Plan {
    Users(Columns),
    Groups(Columns),
}

impl Columns {
    /// The trimmed cell of a row; none where the column is absent or the row too short to reach it.
    pub fn cell<'a>(&self, column: Column, cells: &'a [String]) -> Option<&'a str> {
        cells.get(*self.position.get(&column)?).map(|cell| cell.trim())
    }

    /// How many columns the header has, unknown ones included.
    pub fn width(&self) -> usize {
        self.width
    }
}

/// Decides which import a header asks for, or why none can run.
pub fn plan(endpoint: Endpoint, header: &[String]) -> Result<Plan, String> {
    let found: Vec<(usize, Column)> = header
        .iter()
        .enumerate()
        .filter_map(|(position, cell)| Some((position, Column::of(&letters_and_digits(cell))?)))
        .collect();
    let has = |column| found.iter().any(|(_, known)| *known == column);

    if !has(Column::Username) {
        return Err("There is no username column.".to_owned());
    }
    let groups = has(Column::LibraryGroup) && has(Column::SystemGroup);
    let some_group = has(Column::LibraryGroup) || has(Column::SystemGroup);
    let user_columns = found.iter().any(|(_, c)| *c != Column::Username && !c.is_of_groups());
    if !groups && (endpoint == Endpoint::UserGroups || some_group && !user_columns) {
        return Err("A group import needs the columns username, library-group and system-group.".to_owned());
    }

    let mut position = BTreeMap::new();
    for (at, column) in found {
        // A column of the other import is unknown to this one.
        if column != Column::Username && column.is_of_groups() != groups {
            continue;
        }
        if position.insert(column, at).is_some() {
            return Err(format!("The column {} is there twice.", column.name()));
        }
    }
    let columns = Columns { position, width: header.len() };
    Ok(if groups { Plan::Groups(columns) } else { Plan::Users(columns) })
}

fn letters_and_digits(cell: &str) -> String {
    cell.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}
