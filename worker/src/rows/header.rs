//! The header line: which kind of import a file is, and where its columns are.
//!
//! This file knows how a header is read, but no column by name: the kinds' tables are passed in.

use rollcall_schema::imports::model::{Endpoint, ImportKind};

use super::field::Field;
use crate::read::records::Record;
use crate::read::refusal::printable;

/// How many ignored columns are stored with the import.
const MAX_NAMES: usize = 100;
/// How much of an ignored column's name is stored, in characters.
const MAX_NAME_CHARS: usize = 100;
/// How many of a header's names a refusal repeats.
const NAMES_IN_REFUSAL: usize = 10;

/// The names that columns of one kind of import can have, as letters and digits in lower case, and their fields.
pub type ColumnNames = &'static [(&'static str, Field)];

/// The columns of every kind of import.
#[derive(Debug, Clone, Copy)]
pub struct ColumnTables {
    pub users: ColumnNames,
    /// All of them are required.
    pub memberships: ColumnNames,
}

impl ColumnTables {
    const fn of(&self, kind: ImportKind) -> ColumnNames {
        match kind {
            ImportKind::Users => self.users,
            ImportKind::Memberships => self.memberships,
        }
    }

    /// The field that a column of this name holds. Only letters and digits count, in either case.
    fn field_named(&self, name: &str) -> Option<Field> {
        let name: String =
            name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
        let mut known = self.users.iter().chain(self.memberships);
        known.find_map(|(known, field)| (*known == name).then_some(*field))
    }
}

/// What the header line of a file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    pub kind: ImportKind,
    /// Where the columns of the kind are.
    pub columns: Columns,
    /// The columns that the kind does not use, as written: at most 100 names of at most 100 characters.
    pub ignored: Vec<String>,
}

/// Where a file's columns are. Which fields can have one depends on the kind of import; only `username` always has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    positions: Positions,
    width: usize,
}

impl Columns {
    /// The column of `field`, counted from 0. `None` if the file has no such column.
    pub fn position(&self, field: Field) -> Option<usize> {
        self.positions[field as usize]
    }

    /// How many cells the header has.
    pub fn width(&self) -> usize {
        self.width
    }
}

/// The column of each field, counted from 0.
type Positions = [Option<usize>; Field::COUNT];

/// A header line that does not start an import, and what the file's sender can do about it. See
/// [`crate::read::refusal`] for the form of the texts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderRefusal {
    /// The header line is full of NUL characters.
    #[error(
        "The file seems to be in UTF-16 without a byte-order mark, or in UTF-32: its header line is full of NUL \
         characters. Save the file as UTF-8, or name its encoding in a charset parameter of the file."
    )]
    FullOfNuls,
    /// The header names no `username` column.
    #[error(
        "The file has no username column: its header line names {names}. Add a column named username, and make the \
         line of column names the first line of the file."
    )]
    NoUsername {
        /// The first of the columns' names.
        names: String,
    },
    /// A group import lacks some of its three columns.
    #[error(
        "A group import needs the columns username, library-group and system-group, but the file has no {missing} \
         column: its header line names {names}. Add what is missing{}.", or_send_elsewhere(*endpoint)
    )]
    MissingColumns {
        missing: String,
        /// The first of the columns' names.
        names: String,
        /// Where the file was posted.
        endpoint: Endpoint,
    },
    /// Two columns of the header have the same field.
    #[error(
        "Columns {} ({}) and {} ({}) of the header line both stand for {field}. Keep one of them and take the other \
         out.", first.0, first.1, second.0, second.1
    )]
    ColumnTwice {
        /// The field's name.
        field: &'static str,
        /// The first column's number, counted from 1, and its name as written.
        first: (usize, String),
        second: (usize, String),
    },
}

/// What else the sender of a group import that lacks columns can do.
const fn or_send_elsewhere(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::Users => "",
        Endpoint::UserGroups => ", or send an import of users to /api/import/users",
    }
}

/// Reads the header line of a file that was posted to `endpoint`.
pub fn read(record: &Record<'_>, endpoint: Endpoint, tables: &ColumnTables) -> Result<Header, HeaderRefusal> {
    if is_full_of_nuls(record) {
        return Err(HeaderRefusal::FullOfNuls);
    }
    let fields: Vec<Option<Field>> = record.cells().map(|name| tables.field_named(name)).collect();
    let mut positions: Positions = [None; Field::COUNT];
    let mut twice: Positions = [None; Field::COUNT];
    for (index, field) in fields.iter().enumerate().filter_map(|(index, field)| Some((index, (*field)?))) {
        let found = if positions[field as usize].is_none() { &mut positions } else { &mut twice };
        found[field as usize].get_or_insert(index);
    }

    let kind = kind(record, &positions, endpoint, tables)?;
    let known = |field: Field| tables.of(kind).iter().any(|(_, other)| *other == field);
    let doubled = fields
        .iter()
        .flatten()
        .copied()
        .filter(|field| known(*field))
        .find_map(|field| Some((field, positions[field as usize]?, twice[field as usize]?)));
    if let Some((field, first, second)) = doubled {
        let named = |index| (index + 1, printable(record.cell(index).unwrap_or_default(), 40));
        return Err(HeaderRefusal::ColumnTwice {
            field: field.name(),
            first: named(first),
            second: named(second),
        });
    }

    let ignored = record
        .cells()
        .zip(&fields)
        .filter(|(name, field)| !name.is_empty() && !field.is_some_and(known))
        .take(MAX_NAMES)
        .map(|(name, _)| printable(name, MAX_NAME_CHARS))
        .collect();
    Ok(Header { kind, columns: Columns { positions, width: record.len() }, ignored })
}

/// The kind of import that a file with these columns is, if it has the columns that the kind requires. The users'
/// endpoint also accepts group imports (contract, §4).
fn kind(
    record: &Record<'_>,
    positions: &Positions,
    endpoint: Endpoint,
    tables: &ColumnTables,
) -> Result<ImportKind, HeaderRefusal> {
    let has = |field: &Field| positions[*field as usize].is_some();
    let missing: Vec<Field> =
        tables.memberships.iter().map(|(_, field)| *field).filter(|field| !has(field)).collect();
    if missing.is_empty() {
        return Ok(ImportKind::Memberships);
    }
    let names_a_group = has(&Field::LibraryGroup) || has(&Field::SystemGroup);
    let is_of_users = tables.users.iter().any(|(_, field)| *field != Field::Username && has(field));
    if endpoint == Endpoint::UserGroups || (names_a_group && !is_of_users) {
        let missing = missing.into_iter().map(as_documented).collect::<Vec<_>>();
        return Err(HeaderRefusal::MissingColumns {
            missing: missing.join(", no "),
            names: names(record),
            endpoint,
        });
    }
    if !has(&Field::Username) {
        return Err(HeaderRefusal::NoUsername { names: names(record) });
    }
    Ok(ImportKind::Users)
}

/// The name of a group import's column as the group document writes it.
const fn as_documented(field: Field) -> &'static str {
    match field {
        Field::LibraryGroup => "library-group",
        Field::SystemGroup => "system-group",
        field => field.name(),
    }
}

/// Whether the header looks like UTF-16 or UTF-32 that was read in another encoding. Its names would match, because a NUL
/// is neither a letter nor a digit, and then every cell of every row would be refused.
fn is_full_of_nuls(record: &Record<'_>) -> bool {
    let (mut nuls, mut characters) = (0_usize, 0_usize);
    for character in record.cells().flat_map(str::chars) {
        characters += 1;
        nuls += usize::from(character == '\0');
    }
    nuls > 0 && nuls.saturating_mul(3) >= characters
}

/// The first names of a header, for a message.
fn names(record: &Record<'_>) -> String {
    let mut names = record.cells().filter(|name| !name.is_empty());
    let first: Vec<String> = names.by_ref().take(NAMES_IN_REFUSAL).map(|name| printable(name, 40)).collect();
    match (first.is_empty(), names.count()) {
        (true, _) => "nothing".to_owned(),
        (false, 0) => first.join(", "),
        (false, more) => format!("{} and {more} more", first.join(", ")),
    }
}
