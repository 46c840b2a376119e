//! The second reading of an upload: one thread reads its records, another checks them, chunk by chunk. A small one is read and
//! checked at once.

use std::io::{self, Read};
use std::sync::Arc;
use std::vec;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::attempt::AttemptError;
use crate::memberships::census::Census;
use crate::memberships::chunk::MembershipChunk;
use crate::merge::chunk::{Chunk, Rows};
use crate::read::batch::RecordBatch;
use crate::read::records::Records;
use crate::rows::header::Header;
use crate::rows::null_word::NullWords;
use crate::rows::write_set::WriteSet;
use crate::survey::Survey;
use crate::users::chunk::UserChunk;
use crate::users::forecast::Forecaster;
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

/// What a census says of the rows of a file before they are merged.
pub enum Outlook {
    /// There was no census: each row is looked up.
    None,
    Users(Box<Forecaster>),
    Memberships(Arc<Census>),
}

/// The chunks of an upload, in file order.
pub struct ChunkReader(Source);

enum Source {
    /// All are there.
    Ready(vec::IntoIter<Chunk>),
    Threads {
        chunks: mpsc::Receiver<Chunk>,
        reading: JoinHandle<io::Result<()>>,
        checking: JoinHandle<()>,
    },
}

impl ChunkReader {
    /// Reads all chunks of a small file at once. Must run on a thread that may block.
    pub fn read(
        file: &[u8],
        survey: &Arc<Survey>,
        digester: RowDigester,
        outlook: Outlook,
        limits: ChunkLimits,
    ) -> io::Result<Self> {
        let mut checker = Checker { survey: Arc::clone(survey), digester, outlook };
        let mut chunks = Vec::new();
        read_parts(file, survey, limits, |part| {
            chunks.push(checker.check(part));
            true
        })?;
        Ok(Self(Source::Ready(chunks.into_iter())))
    }

    /// Starts to read. While one chunk is merged the next is checked and the one after it is read, but no more than that.
    pub fn start(
        upload: impl Read + Send + 'static,
        survey: Arc<Survey>,
        digester: RowDigester,
        outlook: Outlook,
        limits: ChunkLimits,
    ) -> Self {
        let (send_part, mut parts) = mpsc::channel(1);
        let (send_chunk, chunks) = mpsc::channel(1);
        let reading = {
            let survey = Arc::clone(&survey);
            tokio::task::spawn_blocking(move || {
                read_parts(upload, &survey, limits, |part| send_part.blocking_send(part).is_ok())
            })
        };
        let mut checker = Checker { survey, digester, outlook };
        let checking = tokio::task::spawn_blocking(move || {
            while let Some(part) = parts.blocking_recv()
                && send_chunk.blocking_send(checker.check(part)).is_ok()
            {}
        });
        Self(Source::Threads { chunks, reading, checking })
    }

    /// The next chunk. `None` after the last, or if reading failed.
    pub async fn next(&mut self) -> Option<Chunk> {
        match &mut self.0 {
            Source::Ready(chunks) => chunks.next(),
            Source::Threads { chunks, .. } => chunks.recv().await,
        }
    }

    /// Why the last chunk never came.
    pub async fn into_error(self) -> AttemptError {
        let Source::Threads { reading, checking, .. } = self.0 else {
            return io::Error::from(io::ErrorKind::UnexpectedEof).into();
        };
        if let Err(panicked) = checking.await {
            return panicked.into();
        }
        match reading.await {
            Ok(Ok(())) => io::Error::from(io::ErrorKind::UnexpectedEof).into(),
            Ok(Err(error)) => error.into(),
            Err(panicked) => panicked.into(),
        }
    }
}

/// The records of a chunk.
struct Part {
    first_row: u64,
    records: RecordBatch,
    /// Memory that the rows take, approximately.
    bytes: usize,
    warnings: Vec<String>,
    is_last: bool,
}

impl Part {
    fn starting_at(first_row: u64) -> Self {
        Self { first_row, records: RecordBatch::default(), bytes: 0, warnings: Vec::new(), is_last: false }
    }

    fn is_full(&self, limits: ChunkLimits) -> bool {
        self.records.len() >= limits.rows || self.bytes >= MAX_CHUNK_BYTES
    }
}

/// Reads a file's rows after the first `limits.done` and passes them to `emit`, in parts of a chunk each. The last part is
/// always emitted, even if it is empty. Stops early, without an error, when `emit` returns `false`.
///
/// Must run on a thread that may block.
fn read_parts(
    upload: impl Read,
    survey: &Survey,
    limits: ChunkLimits,
    mut emit: impl FnMut(Part) -> bool,
) -> io::Result<()> {
    let mut part = Part::starting_at(limits.done + 1);
    if let Some(header) = &survey.header {
        let mut records = Records::open(upload, survey.format);
        let mut null_words = NullWords::default();
        while let Some(record) = records.next_record()? {
            let warnings = null_words.look_at(&record, &header.columns);
            let row = record.number().0;
            if row <= limits.done {
                continue;
            }
            // A full part is emitted only when another row follows, so that the last is known to be the last.
            if part.is_full(limits) && !emit(std::mem::replace(&mut part, Part::starting_at(row))) {
                return Ok(());
            }
            part.bytes += record.bytes() + ROW_BYTES;
            part.records.push(&record);
            part.warnings.extend(warnings);
        }
    }
    emit(Part { is_last: true, ..part });
    Ok(())
}

/// Checks the rows of a file.
struct Checker {
    survey: Arc<Survey>,
    digester: RowDigester,
    outlook: Outlook,
}

impl Checker {
    /// Makes a chunk of the next part of the file.
    fn check(&mut self, part: Part) -> Chunk {
        let Part { first_row, records, warnings, is_last, .. } = part;
        let mut write_set = WriteSet::default();
        let rows = match &self.survey.header {
            None => Rows::None,
            Some(Header { kind: ImportKind::Users, columns, .. }) => {
                let forecaster = match &mut self.outlook {
                    Outlook::Users(forecaster) => Some(&mut **forecaster),
                    Outlook::None | Outlook::Memberships(_) => None,
                };
                let rows = UserChunk::new(records, columns, &self.digester, forecaster, &mut write_set);
                Rows::Users(Box::new(rows))
            }
            Some(Header { kind: ImportKind::Memberships, columns, .. }) => {
                let census = match &self.outlook {
                    Outlook::Memberships(census) => Some(census),
                    Outlook::None | Outlook::Users(_) => None,
                };
                Rows::Memberships(Box::new(MembershipChunk::new(records, columns, census, &mut write_set)))
            }
        };
        Chunk { first_row, rows, write_set: Arc::new(write_set), warnings, is_last }
    }
}
