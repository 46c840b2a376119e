//! The start of a file: what its header line is read from.

use encoding_rs::{UTF_8, WINDOWS_1252};

use super::batch::RecordBatch;
use super::format::Format;
use super::record::Shape;
use super::records::{MAX_WINDOW_BYTES, Records};
use super::refusal::{FileRefusal, ReadError};
use super::text::UTF_8_MARK;

/// The start of a file, as UTF-8 without a byte-order mark, from about the first line that is not blank. Long enough for a
/// header line of the largest size.
#[derive(Debug)]
pub struct Opening {
    bytes: Vec<u8>,
    /// Only blank lines so far.
    blank: bool,
    /// The file continues after it.
    truncated: bool,
}

/// The header line.
#[derive(Debug)]
pub struct HeaderLine {
    /// The line as the only record of the batch.
    pub record: RecordBatch,
    /// No row follows it.
    pub is_all: bool,
}

impl Opening {
    pub(super) fn new() -> Opening {
        Opening { bytes: Vec::new(), blank: true, truncated: false }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The header line. `None` where the file is empty or has only blank lines.
    pub fn header(&self, format: Format) -> Result<Option<HeaderLine>, ReadError> {
        let mut records = Records::open_at_header(self.bytes(), Format { encoding: UTF_8, ..format });
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
            Shape::Whole => {
                let is_all = !self.truncated && records.next_record()?.is_none();
                Ok(Some(HeaderLine { record: header, is_all }))
            }
            Shape::TooLong => Err(FileRefusal::HeaderTooLong.into()),
            // The opening is UTF-8 throughout.
            Shape::QuoteNotClosed | Shape::NotUtf8 => Err(FileRefusal::HeaderQuoteNotClosed.into()),
        }
    }

    /// The start of the file as text, to be looked at where it has no header line.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes).unwrap_or_default()
    }

    /// Whether the file begins with NUL. Without a header line that is all it holds.
    pub fn is_of_nuls(&self) -> bool {
        self.bytes.first() == Some(&0)
    }

    /// Takes the next bytes of the file. Any number of blank lines may come before the header.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        if self.blank {
            let text_at = bytes.iter().position(|byte| !is_blank(*byte));
            self.blank = text_at.is_none();
            let (white, _) = bytes.split_at(text_at.unwrap_or(bytes.len()));
            if let Some(line_end) = white.iter().rposition(|byte| matches!(byte, b'\n' | b'\r')) {
                self.bytes.clear();
                self.truncated = false;
                bytes = bytes.get(line_end + 1..).unwrap_or_default();
            }
        }
        let room = MAX_WINDOW_BYTES.saturating_sub(self.bytes.len());
        let kept = bytes.get(..room).unwrap_or(bytes);
        self.bytes.extend_from_slice(kept);
        self.truncated |= kept.len() < bytes.len();
    }

    pub(super) fn is_full(&self) -> bool {
        self.truncated && !self.blank
    }

    /// The opening of a file that was fed as UTF-8. Malformed characters become U+FFFD.
    pub(super) fn decoded_as_utf_8(mut self) -> Opening {
        if self.bytes.starts_with(UTF_8_MARK) {
            self.bytes.drain(..UTF_8_MARK.len());
        }
        if let Err(error) = std::str::from_utf8(&self.bytes) {
            if error.error_len().is_none() && self.truncated {
                // It was truncated within a character.
                self.bytes.truncate(error.valid_up_to());
            } else {
                self.bytes = String::from_utf8_lossy(&self.bytes).into_owned().into_bytes();
            }
        }
        self
    }

    /// The opening of a file that was fed as Windows-1252.
    pub(super) fn decoded_as_windows_1252(self) -> Opening {
        let (text, _) = WINDOWS_1252.decode_without_bom_handling(&self.bytes);
        Opening { bytes: text.into_owned().into_bytes(), ..self }
    }

    /// The opening once the file has been read. A file of nothing but blank lines has no header line, however long it is;
    /// an opening that was truncated within a character ends before it.
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

/// Whether a byte may stand in a blank line. Lines that are blank for other reasons stay in the opening.
fn is_blank(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, b',' | b';')
}
