//! Rows on their way from the reader to the merge: consecutive, bounded in number and in bytes.

use std::io::{self, Read};

use crate::header::Columns;
use crate::memberships::{self, row::MembershipRow};
use crate::read::Survey;
use crate::read::records::Records;
use crate::users::{self, row::UserRow};

/// Bytes that a row takes whatever its cells hold.
const ROW_BYTES: usize = size_of::<UserRow>();

/// Bytes of rows after which a chunk is full, however few its rows: what bounds a chunk of a file whose every
/// row is as long as a row may be.
const MAX_CHUNK_BYTES: usize = 8 * 1024 * 1024;

/// Consecutive rows of a file, checked.
#[derive(Debug)]
pub struct Chunk {
    /// The number of the first row, counted from 1.
    pub first_row: u64,
    /// The rows.
    pub rows: Rows,
    /// Whether the file ends behind them: the import finishes in this chunk's transaction.
    pub is_last: bool,
}

/// The rows of a chunk, of one kind.
#[derive(Debug)]
pub enum Rows {
    /// Of a user import.
    Users(Vec<UserRow>),
    /// Of a group import.
    Memberships(Vec<MembershipRow>),
}

impl Rows {
    fn none_of(columns: &Columns, capacity: usize) -> Self {
        match columns {
            Columns::Users(_) => Self::Users(Vec::with_capacity(capacity)),
            Columns::Memberships(_) => Self::Memberships(Vec::with_capacity(capacity)),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Users(rows) => rows.len(),
            Self::Memberships(rows) => rows.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Reads and checks a file's rows behind the first `done`, chunk by chunk, and hands each on. Always ends with a
/// chunk that is the last, be it empty. Stops early, without an error, when `hand_on` wants no more.
///
/// To be run on a thread that may block.
pub fn read_chunks(
    source: impl Read,
    survey: &Survey,
    done: u64,
    chunk_rows: usize,
    mut hand_on: impl FnMut(Chunk) -> bool,
) -> io::Result<()> {
    let Some(header) = &survey.header else {
        hand_on(Chunk { first_row: done + 1, rows: Rows::Users(Vec::new()), is_last: true });
        return Ok(());
    };
    let mut records = Records::open(source, survey);
    let mut rows = Rows::none_of(&header.columns, chunk_rows);
    let mut bytes = 0;
    let mut first_row = done + 1;
    while let Some(record) = records.next_record()? {
        if record.number().0 <= done {
            continue;
        }
        // A full chunk is handed on only when another row follows, so that the last one is known to be it.
        if rows.len() >= chunk_rows || bytes >= MAX_CHUNK_BYTES {
            let next = record.number().0;
            let full = std::mem::replace(&mut rows, Rows::none_of(&header.columns, chunk_rows));
            if !hand_on(Chunk { first_row, rows: full, is_last: false }) {
                return Ok(());
            }
            first_row = next;
            bytes = 0;
        }
        bytes += record.bytes() + ROW_BYTES;
        match (&mut rows, &header.columns) {
            (Rows::Users(rows), Columns::Users(columns)) => rows.push(users::check::check(&record, columns)),
            (Rows::Memberships(rows), Columns::Memberships(columns)) => {
                rows.push(memberships::check::check(&record, columns));
            }
            (Rows::Users(_), Columns::Memberships(_)) | (Rows::Memberships(_), Columns::Users(_)) => {
                unreachable!("the rows are made for the columns")
            }
        }
    }
    hand_on(Chunk { first_row, rows, is_last: true });
    Ok(())
}
