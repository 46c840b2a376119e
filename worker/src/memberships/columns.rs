//! The columns of a group import (contract, §5).

use crate::rows::columns::ColumnNames;
use crate::rows::field::Field;

/// The columns' names, as letters and digits in lower case. All are required.
pub const NAMES: ColumnNames = &[
    ("username", Field::Username),
    ("librarygroup", Field::LibraryGroup),
    ("systemgroup", Field::SystemGroup),
];
