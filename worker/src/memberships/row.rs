//! A checked row of a group import: a user, and the groups the user joins. It borrows the text of its record.

use std::borrow::Cow;

use crate::rows::problem::Problems;
use crate::rows::username::Username;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MembershipRow<'a> {
    /// `None` if the cell is blank, or no user can have that name.
    pub username: Option<Username<'a>>,
    /// The library group's name, as names are compared. `None` if the cell is blank, or no group can have that name.
    pub library_group: Option<Cow<'a, str>>,
    /// The system group's name, as names are compared. `None` if the cell is blank, or no group can have that name.
    pub system_group: Option<Cow<'a, str>>,
    /// The problems of the row's cells. The merge adds unknown users and groups.
    pub problems: Problems,
}
