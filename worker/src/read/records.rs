//! The records of a text, one after another, in bounded memory.
//!
//! Built on `csv-core`, because the `csv` crate does not report three things: that a record exceeds a limit (it would
//! hold all of it in memory), that a quote never closes (the rest of the file would be one cell), and that a line was
//! blank.

use std::io::{self, BufRead, Read};

use csv_core::{ReadRecordResult, ReaderBuilder};

use super::delimiter::{Delimiter, is_blank};
use super::format::Format;
use super::text::Text;

/// The largest record: the bytes of its cells as UTF-8, plus one for each cell. 1 MiB.
pub const MAX_RECORD_BYTES: usize = 1024 * 1024;

/// A data row's number, counted from 1 without the header and blank lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowNumber(pub u64);

impl std::fmt::Display for RowNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Whether a record was read completely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// It has all its cells.
    Whole,
    /// It is longer than [`MAX_RECORD_BYTES`]; it has no cells.
    TooLong,
    /// A quote opens in it and the file ends before it closes; it has no cells.
    QuoteNeverCloses,
}

/// One record: a row of the file, or its header line.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    pub(super) number: RowNumber,
    pub(super) shape: Shape,
    pub(super) text: &'a str,
    pub(super) ends: &'a [usize],
}

impl<'a> Record<'a> {
    pub fn number(&self) -> RowNumber {
        self.number
    }

    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// How many bytes its cells hold.
    pub fn bytes(&self) -> usize {
        self.text.len()
    }

    /// How many cells it has.
    #[expect(clippy::len_without_is_empty, reason = "a whole record has at least one cell")]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// The trimmed value of the cell at `index`, counted from 0. `None` after the record's last cell.
    pub fn cell(&self, index: usize) -> Option<&'a str> {
        let end = *self.ends.get(index)?;
        let start = match index.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        self.text.get(start..end).map(str::trim)
    }

    /// The trimmed values of all cells.
    pub fn cells(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let record = *self;
        (0..record.len()).filter_map(move |index| record.cell(index))
    }

    /// Whether a cell after the first `columns` is not blank.
    pub fn has_values_beyond(&self, columns: usize) -> bool {
        (columns..self.len()).any(|index| self.cell(index).is_some_and(|cell| !cell.is_empty()))
    }
}

/// The records of a file. After an error it must not be read any further.
#[derive(Debug)]
pub struct Records<R> {
    text: Text<R>,
    parser: csv_core::Reader,
    delimiter: Delimiter,
    /// The cells of the record, concatenated, without quotes.
    cells: Vec<u8>,
    /// Where in `cells` each cell ends.
    ends: Vec<usize>,
    number: u64,
    header_ahead: bool,
    /// All of the text has been parsed; only its last record has to be ended.
    at_end: bool,
    finished: bool,
}

/// How much of the buffers a record occupies.
struct Extent {
    bytes: usize,
    cells: usize,
    shape: Shape,
}

impl<R: Read> Records<R> {
    /// The rows of a file, without its header line.
    pub fn open(source: R, format: Format) -> Records<R> {
        let mut records = Records::with_header(source, format);
        records.header_ahead = true;
        records
    }

    /// All records of a file, including the header line.
    pub(super) fn with_header(source: R, format: Format) -> Records<R> {
        let mut parser = ReaderBuilder::new().delimiter(format.delimiter.byte()).build();
        // The parser drops a byte-order mark from its first input. `Text` has already removed the one that counts.
        let _ = parser.read_record(&[], &mut [], &mut []);
        Records {
            text: Text::new(source, format.encoding),
            parser,
            delimiter: format.delimiter,
            cells: vec![0; 4096],
            ends: vec![0; 64],
            number: 0,
            header_ahead: false,
            at_end: false,
            finished: false,
        }
    }

    /// The next record that is not a blank line; `None` after the last.
    ///
    /// # Errors
    ///
    /// Those of the source, and [`io::ErrorKind::InvalidData`] where the file is not in the encoding that was detected.
    pub fn next_record(&mut self) -> io::Result<Option<Record<'_>>> {
        if self.header_ahead {
            self.header_ahead = false;
            if self.parse_past_blanks()?.is_none() {
                return Ok(None);
            }
        }
        let Some(extent) = self.parse_past_blanks()? else {
            return Ok(None);
        };
        self.number += 1;
        let bytes = self.cells.get(..extent.bytes).unwrap_or_default();
        let text =
            std::str::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        Ok(Some(Record {
            number: RowNumber(self.number),
            shape: extent.shape,
            text,
            ends: self.ends.get(..extent.cells).unwrap_or_default(),
        }))
    }

    /// Whether the text has ended, and the last record with it.
    pub(super) fn is_at_end(&self) -> bool {
        self.at_end
    }

    /// How many bytes and ends of cells the buffers can hold.
    #[cfg(test)]
    pub(crate) fn buffered(&self) -> usize {
        self.cells.capacity() + self.ends.capacity()
    }

    fn parse_past_blanks(&mut self) -> io::Result<Option<Extent>> {
        loop {
            match self.parse()? {
                Parsed::Record(extent) => return Ok(Some(extent)),
                Parsed::Blank => {}
                Parsed::End => return Ok(None),
            }
        }
    }

    fn parse(&mut self) -> io::Result<Parsed> {
        let mut extent = Extent { bytes: 0, cells: 0, shape: Shape::Whole };
        // Only white space so far, in the line and not just in its cells: `""` is a value.
        let mut blank = true;
        while !self.finished {
            let input = if self.at_end { b"\n" } else { self.text.fill_buf()? };
            if input.is_empty() {
                self.at_end = true;
                continue;
            }
            let (result, read, written, ended) = self.parser.read_record(
                input,
                self.cells.get_mut(extent.bytes..).unwrap_or_default(),
                self.ends.get_mut(extent.cells..).unwrap_or_default(),
            );
            extent.bytes += written;
            extent.cells += ended;
            let is_record = result == ReadRecordResult::Record;
            // A line with more than one cell contains the delimiter, and only a tab is white space.
            let other_cells = usize::from(is_record);
            blank = blank
                && (extent.cells <= other_cells || self.delimiter == Delimiter::Tab)
                && !input.get(..read).unwrap_or_default().contains(&b'"');
            let at_end = self.at_end;
            if !at_end {
                self.text.consume(read);
            }
            match result {
                ReadRecordResult::Record => {
                    self.finished = at_end;
                    let is_blank = blank && is_blank(self.cells.get(..extent.bytes).unwrap_or_default());
                    return Ok(if is_blank { Parsed::Blank } else { Parsed::Record(extent.bounded()) });
                }
                // The line end that was appended to the text became part of a cell: that cell's quote is open.
                ReadRecordResult::InputEmpty if at_end && written > 0 => {
                    self.finished = true;
                    return Ok(Parsed::Record(Extent { bytes: 0, cells: 0, shape: Shape::QuoteNeverCloses }));
                }
                ReadRecordResult::InputEmpty | ReadRecordResult::End => self.finished = at_end,
                ReadRecordResult::OutputFull => {
                    if !grow(&mut self.cells, 0) {
                        self.drop_cells(&mut extent, &mut blank);
                    }
                }
                ReadRecordResult::OutputEndsFull => {
                    if !grow(&mut self.ends, 0) {
                        self.drop_cells(&mut extent, &mut blank);
                    }
                }
            }
        }
        Ok(Parsed::End)
    }

    /// Makes room for the rest of a record that is too long to keep. While the line may still be blank, the first bytes
    /// of an incomplete character are kept.
    fn drop_cells(&mut self, extent: &mut Extent, blank: &mut bool) {
        let bytes = self.cells.get(..extent.bytes).unwrap_or_default();
        let whole = match std::str::from_utf8(bytes) {
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            _ => bytes.len(),
        };
        *blank = *blank && is_blank(bytes.get(..whole).unwrap_or_default());
        let kept = if *blank { extent.bytes - whole } else { 0 };
        self.cells.copy_within(whole..whole + kept, 0);
        *extent = Extent { bytes: kept, cells: 0, shape: Shape::TooLong };
    }
}

impl Extent {
    /// The extent of a record that has ended: empty if the record was too long.
    fn bounded(self) -> Extent {
        if self.shape == Shape::TooLong || self.bytes + self.cells > MAX_RECORD_BYTES {
            Extent { bytes: 0, cells: 0, shape: Shape::TooLong }
        } else {
            self
        }
    }
}

enum Parsed {
    Record(Extent),
    Blank,
    End,
}

/// Doubles a buffer, up to the largest record. Returns `false` if it already has that size.
fn grow<T: Clone>(buffer: &mut Vec<T>, zero: T) -> bool {
    if buffer.len() >= MAX_RECORD_BYTES {
        return false;
    }
    buffer.resize((buffer.len() * 2).min(MAX_RECORD_BYTES), zero);
    true
}
