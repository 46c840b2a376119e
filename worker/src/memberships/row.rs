//! A row of a group import, checked: who is to be in which groups. It borrows its record's text.

use std::borrow::Cow;

use crate::rows::problem::Problems;

/// One row of a group import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MembershipRow<'a> {
    /// The key of the user's name. None where it is blank, or such that no user can have it.
    pub username: Option<Cow<'a, str>>,
    /// The library group's exact name. None where the cell is blank, or such that no group can have it.
    pub library_group: Option<&'a str>,
    /// The system group's exact name. None where the cell is blank, or such that no group can have it.
    pub system_group: Option<&'a str>,
    /// What is wrong with the row's cells. The merge adds the users and groups that it does not find.
    pub problems: Problems,
}
