//! The second reading of an upload: reads and checks its rows, chunk by chunk, on a thread of its own.

use std::io::{self, Read};
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::attempt::AttemptError;
use crate::memberships::chunk::MembershipChunk;
use crate::merge::chunk::{Chunk, Rows};
use crate::read::record::Record;
use crate::read::records::Records;
use crate::rows::header::Header;
use crate::rows::null_word::NullWords;
use crate::rows::write_set::WriteSet;
use crate::survey::Survey;
use crate::users::chunk::UserChunk;
use crate::users::row_digest::RowDigester;
use rollcall_schema::imports::model::ImportKind;

/// Memory of a row in addition to its text, in bytes, approximately.
const ROW_BYTES: usize = 256;

/// Bytes of rows after which a chunk is full, however few its rows. This bounds the chunks of a file whose rows are all
/// as long as a row may be.
const MAX_CHUNK_BYTES: usize = 8 * 1024 * 1024;

/// How a file is divided into chunks.
#[derive(Debug, Clone, Copy)]
pub struct ChunkLimits {
    /// Rows in a chunk, at most.
    pub rows: usize,
    /// Rows at the start of the file that already have an outcome.
    pub done: u64,
}

/// The chunks of an upload, in file order.
pub struct ChunkReader {
    chunks: mpsc::Receiver<Chunk>,
    reading: JoinHandle<io::Result<()>>,
}

impl ChunkReader {
    /// Starts to read. While one chunk is merged the next is read and checked, but no more than that.
    pub fn start(
        upload: impl Read + Send + 'static,
        survey: Arc<Survey>,
        digester: RowDigester,
        limits: ChunkLimits,
    ) -> Self {
        let (send, chunks) = mpsc::channel(1);
        let reading = tokio::task::spawn_blocking(move || {
            read_chunks(upload, &survey, &digester, limits, |chunk| send.blocking_send(chunk).is_ok())
        });
        Self { chunks, reading }
    }

    /// The next chunk. `None` after the last, or if reading failed.
    pub async fn next(&mut self) -> Option<Chunk> {
        self.chunks.recv().await
    }

    /// Why the last chunk never came.
    pub async fn into_error(self) -> AttemptError {
        match self.reading.await {
            Ok(Ok(())) => io::Error::from(io::ErrorKind::UnexpectedEof).into(),
            Ok(Err(error)) => error.into(),
            Err(panicked) => panicked.into(),
        }
    }
}

/// Reads a file's rows after the first `limits.done` and passes them to `emit`, chunk by chunk. The last chunk is always
/// emitted, even if it is empty. Stops early, without an error, when `emit` returns `false`.
///
/// Must run on a thread that may block.
fn read_chunks(
    upload: impl Read,
    survey: &Survey,
    digester: &RowDigester,
    limits: ChunkLimits,
    mut emit: impl FnMut(Chunk) -> bool,
) -> io::Result<()> {
    let mut first_row = limits.done + 1;
    let Some(header) = &survey.header else {
        emit(Chunk {
            first_row,
            rows: Rows::None,
            write_set: Arc::default(),
            warnings: Vec::new(),
            is_last: true,
        });
        return Ok(());
    };
    let mut records = Records::open(upload, survey.format);
    let mut builder = ChunkBuilder::new(header);
    let mut null_words = NullWords::default();
    while let Some(record) = records.next_record()? {
        let warnings = null_words.look_at(&record, &header.columns);
        if record.number().0 <= limits.done {
            continue;
        }
        // A full chunk is emitted only when another row follows, so that the last chunk is known to be the last.
        if builder.is_full(limits) {
            let full = std::mem::replace(&mut builder, ChunkBuilder::new(header));
            if !emit(full.finish(first_row, false)) {
                return Ok(());
            }
            first_row = record.number().0;
        }
        builder.push(&record, digester);
        builder.warnings.extend(warnings);
    }
    emit(builder.finish(first_row, true));
    Ok(())
}

/// A chunk that is not complete yet.
struct ChunkBuilder {
    rows: Rows,
    write_set: WriteSet,
    warnings: Vec<String>,
    bytes: usize,
}

impl ChunkBuilder {
    fn new(header: &Header) -> Self {
        let rows = match header.kind {
            ImportKind::Users => Rows::Users(Box::new(UserChunk::new(&header.columns))),
            ImportKind::Memberships => Rows::Memberships(Box::new(MembershipChunk::new(&header.columns))),
        };
        Self { rows, write_set: WriteSet::default(), warnings: Vec::new(), bytes: 0 }
    }

    fn is_full(&self, limits: ChunkLimits) -> bool {
        self.rows.len() >= limits.rows || self.bytes >= MAX_CHUNK_BYTES
    }

    fn push(&mut self, record: &Record<'_>, digester: &RowDigester) {
        self.bytes += record.bytes() + ROW_BYTES;
        match &mut self.rows {
            Rows::None => unreachable!("a file with a header has rows of a kind"),
            Rows::Users(rows) => rows.push(record, digester, &mut self.write_set),
            Rows::Memberships(rows) => rows.push(record, &mut self.write_set),
        }
    }

    fn finish(self, first_row: u64, is_last: bool) -> Chunk {
        Chunk {
            first_row,
            rows: self.rows,
            write_set: Arc::new(self.write_set),
            warnings: self.warnings,
            is_last,
        }
    }
}
