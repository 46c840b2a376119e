//! The header line: which kind of import a file is, and where its columns are.
//!
//! This file knows how a header is read, but no column by name: the kinds' tables are passed in.

use rollcall_schema::imports::model::{Endpoint, ImportKind};

use super::columns::{ColumnTables, letters_and_digits};
use super::field::Field;
use super::lost_lines::{holds_rows, is_data};
use super::near_miss::is_one_edit_away;
use crate::read::record::Record;
use crate::read::refusal::printable;

/// How many ignored columns are stored with the import.
const MAX_NAMES: usize = 100;
/// How much of an ignored column's name is stored, in characters.
const MAX_NAME_CHARS: usize = 100;
/// How many of a header's names a refusal repeats.
const NAMES_IN_REFUSAL: usize = 10;

/// Columns of the file of failed rows that the service hands out. They come back with the corrected rows and mean nothing.
const COLUMNS_OF_FAILED_ROWS: [&str; 4] = ["importrow", "importline", "importcodes", "importerrors"];

/// What the header line of a file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    pub kind: ImportKind,
    /// Where the columns of the kind are.
    pub columns: Columns,
    /// The columns that the kind does not use, as written: at most 100 names of at most 100 characters. If the line seems
    /// to hold values, their numbers.
    pub ignored: Vec<String>,
    /// How many there are.
    pub ignored_count: usize,
    /// Those of them that are nearly the name of a column that the file lacks.
    pub near_misses: Vec<NearMiss>,
}

/// An ignored column that may have been meant as another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NearMiss {
    /// As written, at most 100 characters.
    pub written: String,
    /// The name that it nearly is.
    pub known: &'static str,
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
///
/// The line may not be a header at all but a row, with a password in it: of its cells, only the names of known columns
/// are repeated (invariant 12).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderRefusal {
    /// The whole file is one line that holds a header and rows.
    #[error(
        "The line breaks of the file were lost: it is one line that holds the column names and the rows after them. \
         Write each row on a line of its own. In PowerShell read the file with Get-Content -Raw, or send it with curl."
    )]
    LineBreaksLost,
    /// The header line is full of NUL characters.
    #[error(
        "The file seems to be in UTF-16 without a byte-order mark, or in UTF-32: its header line is full of NUL \
         characters. Save the file as UTF-8, or name its encoding in a charset parameter of the file."
    )]
    FullOfNuls,
    /// None of the line's cells is the name of a known column: it is a row, or a header in another language.
    #[error(
        "The first line is not a header: {}. Make the first line of the file the column names, {}, separated by commas, \
         semicolons or tabs.", none_is_known(*cells), needed(*endpoint)
    )]
    NoHeader {
        /// How many cells of the line are not blank.
        cells: usize,
        /// Where the file was posted.
        endpoint: Endpoint,
    },
    /// The header names no `username` column.
    #[error(
        "The file has no username column: its header line names {names}. {}Add a column named username, and make the \
         line of column names the first line of the file.",
        nearly(*nearly_username)
    )]
    NoUsername {
        /// The first of the known columns' names.
        names: String,
        /// The number of a column whose name is nearly `username`, counted from 1.
        nearly_username: Option<usize>,
    },
    /// The delimiters of the header line are all within quotes, or not the one that the file names.
    #[error(
        "The file has no username column: its header line reads as a single column, with {delimiter} in it. Take out the \
         quotes around each line, or the sep= line before it."
    )]
    OneColumn {
        /// The delimiter within the only cell.
        delimiter: &'static str,
    },
    /// The header line has none of the delimiters.
    #[error(
        "The file's columns are not separated by commas, semicolons or tabs, which are the known delimiters, but by \
         {separator}. Save the file with one of them."
    )]
    UnknownDelimiter {
        /// What separates the columns' names.
        separator: &'static str,
    },
    /// Columns of both kinds of import.
    #[error(
        "The file has columns of users ({users}) and of groups ({groups}). Send the users and their groups as two files: \
         the users to /api/import/users, and username, library-group and system-group to /api/import/userGroups."
    )]
    Combined {
        /// The first of the users' columns, without `username`.
        users: String,
        groups: String,
    },
    /// A group import lacks some of its three columns.
    #[error(
        "A group import needs the columns username, library-group and system-group, but the file has no {missing} \
         column: its header line names {names}. Add what is missing{}.", or_send_elsewhere(*endpoint)
    )]
    MissingColumns {
        missing: String,
        /// The first of the known columns' names.
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

fn nearly(column: Option<usize>) -> String {
    column.map_or(String::new(), |number| format!("If column {number} is that column, rename it. "))
}

fn none_is_known(cells: usize) -> String {
    match cells {
        0 => "all its cells are blank".to_owned(),
        1 => "its only cell is not the name of a known column".to_owned(),
        _ => format!("none of its {cells} cells is the name of a known column"),
    }
}

/// The columns that a file needs.
const fn needed(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::Users => "username among them",
        Endpoint::UserGroups => "which are username, library-group and system-group",
    }
}

/// Reads the header line of a file that was posted to `endpoint`. `is_all`: no row follows it.
pub fn read(
    record: &Record<'_>,
    is_all: bool,
    endpoint: Endpoint,
    tables: &ColumnTables,
) -> Result<Header, HeaderRefusal> {
    if is_full_of_nuls(record) {
        return Err(HeaderRefusal::FullOfNuls);
    }
    if is_all && holds_rows(record, tables) {
        return Err(HeaderRefusal::LineBreaksLost);
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

    let mut ignored = record
        .cells()
        .zip(&fields)
        .filter(|(name, field)| !name.is_empty() && !field.is_some_and(known))
        .map(|(name, _)| name)
        .filter(|name| !COLUMNS_OF_FAILED_ROWS.contains(&&*letters_and_digits(name)));
    let first_ignored: Vec<&str> = ignored.by_ref().take(MAX_NAMES).collect();
    let ignored_count = first_ignored.len() + ignored.count();
    let ignored = first_ignored;
    // Then it may be a row that happens to hold the name of a column.
    let seems_data =
        ignored_count > fields.iter().flatten().count() && ignored.iter().any(|name| is_data(name));
    let shown = |name: &str| match position_of(name, record) {
        Some(index) if seems_data => format!("column {}", index + 1),
        _ => printable(name, MAX_NAME_CHARS),
    };
    let absent = |field: Field| positions[field as usize].is_none();
    let near_misses = ignored.iter().filter(|_| !seems_data).filter_map(|written| {
        let name = letters_and_digits(written);
        let mut absent = tables.users.iter().chain(tables.memberships).filter(|(_, field)| absent(*field));
        let (known, _) = absent.find(|(known, _)| is_one_edit_away(&name, known))?;
        Some(NearMiss { written: printable(written, MAX_NAME_CHARS), known })
    });
    Ok(Header {
        kind,
        columns: Columns { positions, width: record.len() },
        near_misses: near_misses.collect(),
        ignored: ignored.iter().map(|name| shown(name)).collect(),
        ignored_count,
    })
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
    let names_of = |known: &dyn Fn(Field) -> bool| {
        let of_kind = record.cells().filter(|name| tables.field_named(name).is_some_and(known));
        of_kind.take(NAMES_IN_REFUSAL).map(|name| printable(name, 40)).collect::<Vec<_>>().join(", ")
    };
    let is_group = |field: Field| matches!(field, Field::LibraryGroup | Field::SystemGroup);
    let is_of_users = |field: Field| field != Field::Username && !is_group(field);
    let (users, groups) = (names_of(&is_of_users), names_of(&is_group));
    if !users.is_empty() && !groups.is_empty() {
        return Err(HeaderRefusal::Combined { users, groups });
    }

    let missing: Vec<Field> =
        tables.memberships.iter().map(|(_, field)| *field).filter(|field| !has(field)).collect();
    if missing.is_empty() {
        return Ok(ImportKind::Memberships);
    }
    if !has(&Field::Username) && record.len() == 1 {
        let line = record.cell(0).unwrap_or_default();
        if let Some(delimiter) = separator(line, &DELIMITERS, tables) {
            return Err(HeaderRefusal::OneColumn { delimiter });
        }
        if let Some(separator) = separator(line, &OTHER_SEPARATORS, tables) {
            return Err(HeaderRefusal::UnknownDelimiter { separator });
        }
    }
    let names = names(record, tables);
    if names.is_empty() {
        let cells = record.cells().filter(|name| !name.is_empty()).count();
        let near = record.cells().any(|name| is_one_edit_away(&letters_and_digits(name), "username"));
        if !near {
            return Err(HeaderRefusal::NoHeader { cells, endpoint });
        }
    }
    if endpoint == Endpoint::UserGroups || !groups.is_empty() {
        let missing = missing.into_iter().map(as_documented).collect::<Vec<_>>();
        return Err(HeaderRefusal::MissingColumns {
            missing: missing.join(", no "),
            names: or_none(names),
            endpoint,
        });
    }
    if !has(&Field::Username) {
        let nearly = record.cells().position(|name| is_one_edit_away(&letters_and_digits(name), "username"));
        return Err(HeaderRefusal::NoUsername {
            names: or_none(names),
            nearly_username: nearly.map(|index| index + 1),
        });
    }
    Ok(ImportKind::Users)
}

/// The known delimiters, by what a message calls them.
const DELIMITERS: [(&[char], &str); 3] = [(&[','], "commas"), (&[';'], "semicolons"), (&['\t'], "tabs")];
/// What else can separate the columns of a file.
const OTHER_SEPARATORS: [(&[char], &str); 9] = [
    (&['|'], "“|”"),
    (&[':'], "“:”"),
    (&['^'], "“^”"),
    (&['~'], "“~”"),
    (&['!'], "“!”"),
    (&['/'], "“/”"),
    (&['\\'], "“\\”"),
    (&[' ', '\u{A0}', '\u{2003}', '\u{3000}'], "blanks"),
    (&['\u{B}', '\u{C}', '\u{1C}', '\u{1D}', '\u{1E}', '\u{1F}'], "control characters"),
];

/// The first of the separators that divides a text into parts of which one is the name of a known column.
fn separator(
    text: &str,
    separators: &[(&[char], &'static str)],
    tables: &ColumnTables,
) -> Option<&'static str> {
    let divides = |characters: &[char]| {
        text.contains(characters) && text.split(characters).any(|part| tables.field_named(part).is_some())
    };
    separators.iter().find_map(|(characters, name)| divides(characters).then_some(*name))
}

/// The index of a cell in the line that it was borrowed from.
fn position_of(name: &str, record: &Record<'_>) -> Option<usize> {
    record.cells().position(|cell| std::ptr::eq(cell, name))
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
    nuls > 0 && nuls.saturating_mul(8) >= characters
}

/// The first names of a header that name known columns, for a message, and how many cells do not. Empty if none does.
fn names(record: &Record<'_>, tables: &ColumnTables) -> String {
    let is_known = |name: &&str| tables.field_named(name).is_some();
    let known: Vec<&str> = record.cells().filter(is_known).collect();
    let unknown = record.cells().filter(|name| !name.is_empty() && !is_known(name)).count();
    let first: Vec<String> = known.iter().take(NAMES_IN_REFUSAL).map(|name| printable(name, 40)).collect();
    let more = known.len() - first.len();
    let first = first.join(", ");
    match (more, unknown) {
        _ if known.is_empty() => first,
        (0, 0) => first,
        (0, 1) => format!("{first} and 1 unknown column"),
        (0, _) => format!("{first} and {unknown} unknown columns"),
        (_, 0) => format!("{first} and {more} more"),
        (_, _) => format!("{first} and {} more", more + unknown),
    }
}

fn or_none(names: String) -> String {
    if names.is_empty() { "no known column".to_owned() } else { names }
}
