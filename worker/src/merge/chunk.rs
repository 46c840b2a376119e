//! Rows on their way from the reader to the merge: consecutive, bounded in number and in bytes.

use std::io::{self, Read};
use std::sync::Arc;

use crate::rows::header::{Columns, Header};
use crate::merge::commit_order::WriteSet;
use crate::memberships::chunk::MembershipChunk;
use crate::read::Survey;
use crate::read::records::Records;
use crate::users::row_digest::RowDigester;
use crate::users::chunk::UserChunk;

/// Bytes that a row takes beside its text, about.
const ROW_BYTES: usize = 256;

/// Bytes of rows after which a chunk is full, however few its rows: what bounds a chunk of a file whose every
/// row is as long as a row may be.
const MAX_CHUNK_BYTES: usize = 8 * 1024 * 1024;

/// Consecutive rows of a file.
#[derive(Debug)]
pub struct Chunk {
    /// The number of the first row, counted from 1.
    pub first_row: u64,
    /// The rows.
    pub rows: Rows,
    /// Whom and what the rows may touch.
    pub write_set: Arc<WriteSet>,
    /// Whether the file ends behind them: the import finishes in this chunk's transaction.
    pub is_last: bool,
}

/// The rows of a chunk, of one kind.
#[derive(Debug)]
pub enum Rows {
    /// None: the file is empty, or has no rows but a header.
    None,
    /// Of a user import.
    Users(Box<UserChunk>),
    /// Of a group import.
    Memberships(Box<MembershipChunk>),
}

impl Rows {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Users(rows) => rows.len(),
            Self::Memberships(rows) => rows.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What became of merging a chunk, as far as the rows are concerned.
#[derive(Debug)]
pub enum Merged {
    /// Each row has its outcome.
    Rows {
        /// The outcomes.
        outcomes: rollcall_schema::outcome::ChunkOutcomes,
        /// How many passwords wait under seal now to be hashed.
        sealed_passwords: u64,
    },
    /// What the rows do depends on a chunk before them that is not committed yet.
    TooEarly,
    /// Somebody else changed a user between the look and the write: look again.
    Overtaken,
}

/// How a file is cut into chunks.
#[derive(Debug, Clone)]
pub struct ChunkLimits {
    /// Rows in a chunk, at most.
    pub rows: usize,
    /// Rows at the start of the file that have their outcome already.
    pub done: u64,
}

/// Reads a file's rows behind the first `limits.done`, chunk by chunk, and hands each on. Always ends with a chunk that is
/// the last, be it empty. Stops early, without an error, when `hand_on` wants no more.
///
/// To be run on a thread that may block.
pub fn read_chunks(
    source: impl Read,
    survey: &Survey,
    digester: &RowDigester,
    limits: &ChunkLimits,
    mut hand_on: impl FnMut(Chunk) -> bool,
) -> io::Result<()> {
    let mut first_row = limits.done + 1;
    let Some(header) = &survey.header else {
        hand_on(Chunk { first_row, rows: Rows::None, write_set: Arc::default(), is_last: true });
        return Ok(());
    };
    let mut records = Records::open(source, survey);
    let mut builder = ChunkBuilder::new(header);
    while let Some(record) = records.next_record()? {
        if record.number().0 <= limits.done {
            continue;
        }
        // A full chunk is handed on only when another row follows, so that the last one is known to be it.
        if builder.rows.len() >= limits.rows || builder.bytes >= MAX_CHUNK_BYTES {
            let full = std::mem::replace(&mut builder, ChunkBuilder::new(header));
            if !hand_on(full.finish(first_row, false)) {
                return Ok(());
            }
            first_row = record.number().0;
        }
        builder.bytes += record.bytes() + ROW_BYTES;
        match &mut builder.rows {
            Rows::None => unreachable!("a file with a header has rows of a kind"),
            Rows::Users(rows) => rows.push(&record, digester, &mut builder.write_set),
            Rows::Memberships(rows) => rows.push(&record, &mut builder.write_set),
        }
    }
    hand_on(builder.finish(first_row, true));
    Ok(())
}

/// A chunk that is not full yet.
struct ChunkBuilder {
    rows: Rows,
    write_set: WriteSet,
    bytes: usize,
}

impl ChunkBuilder {
    fn new(header: &Header) -> Self {
        let rows = match &header.columns {
            Columns::Users(columns) => Rows::Users(Box::new(UserChunk::new(columns))),
            Columns::Memberships(columns) => Rows::Memberships(Box::new(MembershipChunk::new(columns))),
        };
        Self { rows, write_set: WriteSet::default(), bytes: 0 }
    }

    fn finish(self, first_row: u64, is_last: bool) -> Chunk {
        Chunk { first_row, rows: self.rows, write_set: Arc::new(self.write_set), is_last }
    }
}
