//! The columns of a group import: `contract.md`, §5.

use crate::rows::header::Positions;
use crate::rows::problem::Field;

/// The columns' names, as letters and digits in lower case. All are required.
pub const NAMES: &[(&str, Field)] = &[
    ("username", Field::Username),
    ("librarygroup", Field::LibraryGroup),
    ("systemgroup", Field::SystemGroup),
];

/// A column's name as the group document writes it.
pub(crate) fn as_documented(name: &'static str) -> &'static str {
    match name {
        "librarygroup" => "library-group",
        "systemgroup" => "system-group",
        name => name,
    }
}

/// Where the columns of a group import stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MembershipColumns {
    positions: Positions,
    width: usize,
}

impl MembershipColumns {
    /// Columns at these positions in a header of `width` cells.
    pub(crate) fn new(positions: &Positions, width: usize) -> MembershipColumns {
        MembershipColumns { positions: *positions, width }
    }

    /// The column at which `field` stands, from 0.
    pub fn position(&self, field: Field) -> Option<usize> {
        self.positions[field as usize]
    }

    /// How many cells the header has.
    pub fn width(&self) -> usize {
        self.width
    }
}
