//! A checked row of a group import: a user, and the groups the user joins. It borrows the text of its record.

use std::borrow::Cow;

use crate::rows::problem::Problems;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MembershipRow<'a> {
    /// The key of the username. `None` if the cell is blank, or no user can have that name.
    pub username: Option<Cow<'a, str>>,
    /// The library group's exact name. `None` if the cell is blank, or no group can have that name.
    pub library_group: Option<&'a str>,
    /// The system group's exact name. `None` if the cell is blank, or no group can have that name.
    pub system_group: Option<&'a str>,
    /// The problems of the row's cells. The merge adds unknown users and groups.
    pub problems: Problems,
}
