//! Reads an upload: bytes → text → records.
//!
//! An upload is read twice. [`detect`] reads it once to find what only the whole file can tell: its encoding. It also
//! returns the start of the file, from which the header line is read. [`records::Records`] then yields the rows. Both
//! hold a bounded part of the file in memory, whatever the file.
//!
//! This room does not know where the bytes come from, what a column is called, or what a row means.

pub mod batch;
pub mod delimiter;
mod encoding;
pub mod file_type;
pub mod format;
mod hidden_rows;
mod line;
pub mod opening;
mod positions;
mod preamble;
mod quoted;
mod quotes;
pub mod record;
pub mod records;
pub mod refusal;
pub mod text;
mod window;

use std::io::{self, Read};

use delimiter::Delimiter;
use encoding::DetectedEncoding;
use format::Format;
use opening::Opening;
use preamble::Preamble;
use records::Records;
use refusal::ReadError;

/// What the first reading finds.
#[derive(Debug)]
pub struct Detected {
    pub format: Format,
    /// The file is not UTF-8 and nothing says what it is: it is read as Windows-1252.
    pub is_fallback: bool,
    /// The start of the file, with the header line.
    pub opening: Opening,
}

/// Reads the whole file to find its format. `charset` is the parameter of the multipart part's content type, if it has
/// one.
///
/// # Errors
///
/// [`ReadError::Refused`] if the file cannot be read however often it is tried, [`ReadError::Io`] if `source` failed.
pub fn detect(source: impl Read, charset: Option<&str>) -> Result<Detected, ReadError> {
    let DetectedEncoding { encoding, is_fallback, opening } = encoding::detect(source, charset)?;
    let preamble = Preamble::read(opening.bytes())?;
    let after_preamble = opening.bytes().get(preamble.bytes..).unwrap_or_default();
    let delimiter = preamble.delimiter.unwrap_or_else(|| Delimiter::of_opening(after_preamble));
    let format = Format { encoding, delimiter, preamble_lines: preamble.lines };
    Ok(Detected { format, is_fallback, opening })
}

/// Counts the rows of a file by the rules of [`Records`]: the header and blank rows are not counted.
pub fn count_rows(source: impl Read, format: Format) -> io::Result<u64> {
    let mut records = Records::open(source, format);
    let mut rows = 0;
    while let Some(record) = records.next_record()? {
        rows = record.number().0;
    }
    Ok(rows)
}
