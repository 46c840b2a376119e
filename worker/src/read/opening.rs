//! The start of a file: what its header line is read from.

use encoding_rs::{UTF_8, WINDOWS_1252};

use super::batch::RecordBatch;
use super::delimiter::Delimiter;
use super::format::Format;
use super::records::{MAX_RECORD_BYTES, Records, Shape};
use super::refusal::{FileRefusal, ReadError};

/// How much of a file is kept to read its header line from. A record may be [`MAX_RECORD_BYTES`] long without its
/// quotes; with doubled quotes inside a cell and a pair around it, it takes at most this.
const OPENING_BYTES: usize = 3 * MAX_RECORD_BYTES + 16;

/// The start of a file, as UTF-8 without a byte-order mark, from about the first line that is not blank.
#[derive(Debug)]
pub struct Opening {
    bytes: Vec<u8>,
    /// Only white space so far.
    blank: bool,
    /// The file continues after it.
    truncated: bool,
}

impl Opening {
    pub(super) fn new() -> Opening {
        Opening { bytes: Vec::new(), blank: true, truncated: false }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The header line as the only record of a batch. `None` where the file is empty or holds only blank lines.
    pub fn header(&self, delimiter: Delimiter) -> Result<Option<RecordBatch>, ReadError> {
        let mut records = Records::with_header(self.bytes(), Format { encoding: UTF_8, delimiter });
        let mut header = RecordBatch::default();
        let shape = match records.next_record()? {
            Some(record) => {
                header.push(&record);
                record.shape()
            }
            None => return Ok(None),
        };
        if self.truncated && records.is_at_end() {
            // The header line continues after the part of the file that was kept.
            return Err(FileRefusal::HeaderTooLong.into());
        }
        match shape {
            Shape::Whole => Ok(Some(header)),
            Shape::TooLong => Err(FileRefusal::HeaderTooLong.into()),
            Shape::QuoteNeverCloses => Err(FileRefusal::HeaderQuoteNeverCloses.into()),
        }
    }

    /// Takes the next bytes of the file. Any number of blank lines may come before the header.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        if self.blank {
            let text_at = bytes.iter().position(|byte| !byte.is_ascii_whitespace());
            self.blank = text_at.is_none();
            let (white, _) = bytes.split_at(text_at.unwrap_or(bytes.len()));
            if let Some(line_end) = white.iter().rposition(|byte| matches!(byte, b'\n' | b'\r')) {
                self.bytes.clear();
                self.truncated = false;
                bytes = bytes.get(line_end + 1..).unwrap_or_default();
            }
        }
        let room = OPENING_BYTES.saturating_sub(self.bytes.len());
        let kept = bytes.get(..room).unwrap_or(bytes);
        self.bytes.extend_from_slice(kept);
        self.truncated |= kept.len() < bytes.len();
    }

    pub(super) fn is_full(&self) -> bool {
        self.truncated && !self.blank
    }

    /// The opening of a file that was fed as Windows-1252.
    pub(super) fn decoded_as_windows_1252(self) -> Opening {
        let (text, _) = WINDOWS_1252.decode_without_bom_handling(&self.bytes);
        Opening { bytes: text.into_owned().into_bytes(), ..self }
    }

    /// The opening once the file has been read. A file of nothing but white space has no header line, however long it
    /// is; an opening that was truncated within a character ends before it.
    pub(super) fn ended(mut self) -> Opening {
        if self.blank {
            self.bytes.clear();
            self.truncated = false;
        }
        if let Err(error) = std::str::from_utf8(&self.bytes) {
            self.bytes.truncate(error.valid_up_to());
        }
        self
    }
}
