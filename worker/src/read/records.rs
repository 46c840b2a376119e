//! The records of a text, one after another, in bounded memory.
//!
//! Not built on the `csv` crate: a quote that does not close costs one line here, not the rest of the file. A line without
//! quotes, which nearly all are, is split where it is; the others go to [`super::quoted`].

use std::io::{self, Read};

use memchr::{memchr, memchr2};

use super::delimiter::Delimiter;
use super::format::Format;
use super::line::{is_blank, is_blank_line, line_end};
use super::positions::push_positions;
use super::quoted::{Cells, Parsed, Rules, parse, split_quoted};
use super::record::{MAX_RECORD_BYTES, Record, RowNumber, Shape};
use super::text::Text;
use super::window::{Window, ends_in_padding, is_padding};

/// How much of a text is looked at to read a record of the largest size: with its quotes doubled, and a pair around each
/// cell, it is up to this long.
pub(super) const MAX_WINDOW_BYTES: usize = 3 * MAX_RECORD_BYTES + 16;

/// How far a reader looks for the closing quotes of records that turn out to be broken, in total: this much, and a
/// multiple of what it has read. Only a file made for it needs more. From then on records of several lines may have
/// [`SHORT_RECORD_BYTES`].
const FREE_LOOKAHEAD_BYTES: u64 = 16 * 1024 * 1024;
const LOOKAHEAD_FACTOR: u64 = 4;
const SHORT_RECORD_BYTES: usize = 1024;

/// The records of a file. After an error it must not be read any further.
#[derive(Debug)]
pub struct Records<R> {
    window: Window<R>,
    delimiter: Delimiter,
    /// How many cells the header has, once it is read.
    width: Option<usize>,
    cells: Cells,
    number: u64,
    /// Lines to skip before the header line.
    preamble_lines: usize,
    header_ahead: bool,
    /// How many bytes of the window the last record occupies.
    consumed: usize,
    /// How many bytes were looked at in vain for closing quotes.
    lookahead: u64,
    /// The text has something other than padding at this position.
    data_at: u64,
    /// Where the next quote is in the text, as far as it is known: there is none before.
    quote_at: u64,
}

/// Where the cells of a record are.
enum Found {
    /// In the window, as written: the record's line has no quotes.
    Line(usize),
    /// In the window, as written: each cell of the line stands in quotes, and no quote is doubled.
    QuotedLine(usize),
    /// In the buffer of cells.
    Cells,
    /// They were not kept.
    Nowhere(Shape),
}

impl Found {
    /// How many bytes separate a cell from the next: the delimiter, or `","`.
    fn gap(&self) -> usize {
        if let Found::QuotedLine(_) = self { 3 } else { 1 }
    }
}

impl<R: Read> Records<R> {
    /// The rows of a file, without its header line.
    pub fn open(source: R, format: Format) -> Records<R> {
        let mut records = Records::open_at_header(source, format);
        records.header_ahead = true;
        records
    }

    /// All records of a file, including the header line.
    pub(super) fn open_at_header(source: R, format: Format) -> Records<R> {
        Records {
            window: Window::new(
                Text::new(source, format.encoding),
                MAX_WINDOW_BYTES,
                format.delimiter.byte(),
            ),
            delimiter: format.delimiter,
            width: None,
            cells: Cells::default(),
            number: 0,
            preamble_lines: format.preamble_lines,
            header_ahead: false,
            consumed: 0,
            lookahead: 0,
            data_at: 0,
            quote_at: 0,
        }
    }

    /// The next record that is not blank; `None` after the last.
    ///
    /// # Errors
    ///
    /// Those of the source, and [`io::ErrorKind::InvalidData`] where the file is not in the encoding that was detected.
    pub fn next_record(&mut self) -> io::Result<Option<Record<'_>>> {
        self.skip_preamble()?;
        if self.header_ahead {
            self.header_ahead = false;
            if self.find_record()?.is_none() {
                return Ok(None);
            }
            self.width = Some(self.cells.ends.len());
        }
        let Some(found) = self.find_record()? else { return Ok(None) };
        if self.width.is_none() {
            self.width = Some(self.cells.ends.len());
        }
        self.number += 1;
        let number = RowNumber(self.number);
        let written = &self.window.bytes()[..self.consumed];
        let gap = found.gap();
        let (text, is_utf_8) = match found {
            Found::Line(length) => (&written[..length], true),
            Found::QuotedLine(length) => (&written[1..length - 1], true),
            // A quote between the bytes of a character must not make it whole once the quote is taken out.
            Found::Cells => (&*self.cells.text, std::str::from_utf8(written).is_ok()),
            Found::Nowhere(shape) => return Ok(Some(Record { number, shape, text: "", ends: &[], gap })),
        };
        Ok(Some(match std::str::from_utf8(text) {
            Ok(text) if is_utf_8 => Record { number, shape: Shape::Whole, text, ends: &self.cells.ends, gap },
            _ => Record { number, shape: Shape::NotUtf8, text: "", ends: &[], gap },
        }))
    }

    /// Whether the text ends with the record that was read last.
    pub(super) fn is_at_end(&self) -> bool {
        self.window.is_at_end() && self.window.bytes().len() == self.consumed
    }

    /// How many bytes of memory the buffers hold.
    #[cfg(test)]
    pub(crate) fn buffered(&self) -> usize {
        self.window.capacity() + self.cells.text.capacity() + 8 * self.cells.ends.capacity()
    }

    /// Skips the lines of tools before the header, and the blank lines between them.
    fn skip_preamble(&mut self) -> io::Result<()> {
        while self.preamble_lines > 0
            && let Some(line) = self.next_line()?
        {
            let Line::Whole { length, total } = line else { break };
            if !is_blank_line(&self.window.bytes()[..length]) {
                self.preamble_lines -= 1;
            }
            self.window.consume(total);
        }
        Ok(())
    }

    /// Finds the next record that is not blank. Its cells are valid until the next call.
    fn find_record(&mut self) -> io::Result<Option<Found>> {
        self.window.consume(std::mem::take(&mut self.consumed));
        loop {
            let Some(line) = self.next_line()? else { return Ok(None) };
            let Line::Whole { length, total } = line else {
                if self.skip_long_line()? {
                    continue;
                }
                return Ok(Some(Found::Nowhere(Shape::TooLong)));
            };
            self.consumed = total;
            let has_quotes = self.has_quote_before(length);
            let line = &self.window.bytes()[..length];
            self.cells.ends.clear();
            let found = if has_quotes {
                if length < MAX_RECORD_BYTES
                    && split_quoted(line, self.delimiter.byte(), &mut self.cells.ends)
                {
                    Found::QuotedLine(length)
                } else {
                    self.parse_quoted()?
                }
            } else if length >= MAX_RECORD_BYTES {
                Found::Nowhere(Shape::TooLong)
            } else {
                push_positions(line, self.delimiter.byte(), &mut self.cells.ends);
                self.cells.ends.push(length);
                Found::Line(length)
            };
            if !self.is_blank(&found, length) {
                return Ok(Some(found));
            }
            self.window.consume(std::mem::take(&mut self.consumed));
        }
    }

    /// The next line, completely in the window. Padding at the end of the text belongs to no line.
    fn next_line(&mut self) -> io::Result<Option<Line>> {
        let mut searched = 0;
        loop {
            let bytes = self.window.bytes();
            // Padding that was dropped may have been searched already.
            searched = searched.min(bytes.len());
            let end = memchr2(b'\n', b'\r', &bytes[searched..]).map(|length| searched + length);
            // A line feed may follow a carriage return.
            let is_complete = end.is_some_and(|end| end + 1 < bytes.len() || bytes[end] == b'\n');
            searched = end.unwrap_or(bytes.len());
            if !is_complete && self.window.fill()? {
                continue;
            }
            let bytes = self.window.bytes();
            let length = searched;
            if end.is_none() && !self.window.is_at_end() {
                return Ok(Some(Line::Long));
            }
            let total = length + line_end(&bytes[length..]);
            if total == 0 {
                return Ok(None);
            }
            if !self.window.is_at_end() && ends_in_padding(&bytes[..length]) && self.may_be_padding(total)? {
                searched = 0;
                continue;
            }
            return Ok(Some(Line::Whole { length, total }));
        }
    }

    /// Reads on to where the text ends or has something other than padding after its first `from` bytes. Returns whether
    /// the window has changed: because the text ends in padding, which was dropped.
    fn may_be_padding(&mut self, from: usize) -> io::Result<bool> {
        if self.data_at > self.window.offset() + from as u64 {
            return Ok(false);
        }
        match self.window.find_data(from)? {
            Some(data) => {
                self.data_at = self.window.offset() + data as u64 + 1;
                Ok(false)
            }
            None if self.window.is_at_end() => Ok(true),
            // More padding than a record may be long.
            None => {
                self.window.consume(self.window.bytes().len());
                Ok(true)
            }
        }
    }

    /// Whether the first `length` bytes of the window hold a quote.
    fn has_quote_before(&mut self, length: usize) -> bool {
        let offset = self.window.offset();
        if self.quote_at < offset {
            // Searched as far as the window goes, so that most lines need no search of their own.
            let bytes = self.window.bytes();
            self.quote_at = offset + memchr(b'"', bytes).unwrap_or(bytes.len()) as u64;
        }
        if self.quote_at >= offset + length as u64 {
            return false;
        }
        let found = usize::try_from(self.quote_at - offset).unwrap_or(usize::MAX);
        match memchr(b'"', &self.window.bytes()[found..]) {
            Some(further) => self.quote_at += further as u64,
            None => self.quote_at = offset + self.window.bytes().len() as u64,
        }
        self.quote_at < offset + length as u64
    }

    /// Parses the line at the start of the window, which has quotes, and the lines that it continues in.
    fn parse_quoted(&mut self) -> io::Result<Found> {
        let may_look_ahead = self.lookahead < FREE_LOOKAHEAD_BYTES + LOOKAHEAD_FACTOR * self.window.offset();
        let rules = Rules {
            delimiter: self.delimiter.byte(),
            width: self.width,
            max_bytes: if may_look_ahead { MAX_WINDOW_BYTES } else { SHORT_RECORD_BYTES },
        };
        loop {
            let text = self.window.bytes();
            let is_all = self.window.is_at_end() || text.len() >= MAX_WINDOW_BYTES;
            match parse(text, is_all, rules, &mut self.cells) {
                Parsed::Record { total, looked_at } => {
                    self.lookahead += looked_at as u64;
                    let may_be_last = !self.window.is_at_end() && ends_in_padding(&text[..total]);
                    if may_be_last && self.may_be_padding(total)? {
                        continue;
                    }
                    self.consumed = total;
                    return Ok(Found::Cells);
                }
                Parsed::TooLong => return Ok(Found::Nowhere(Shape::TooLong)),
                Parsed::Broken(looked_at) => {
                    self.lookahead += looked_at as u64;
                    return Ok(Found::Nowhere(Shape::QuoteNotClosed));
                }
                Parsed::NeedsMore => {
                    // Twice as much, so that parsing again from the start costs no more than parsing it once or twice.
                    let wanted = 2 * text.len();
                    while self.window.bytes().len() < wanted && self.window.fill()? {}
                }
            }
        }
    }

    fn is_blank(&self, found: &Found, length: usize) -> bool {
        let text = match found {
            Found::Line(length) => &self.window.bytes()[..*length],
            Found::QuotedLine(length) => &self.window.bytes()[1..length - 1],
            Found::Cells => &self.cells.text,
            Found::Nowhere(Shape::TooLong) => {
                return self.is_blank_text(&self.window.bytes()[..length]);
            }
            Found::Nowhere(_) => return false,
        };
        // Before the header the delimiter means nothing yet.
        if self.width.is_none() && matches!(found, Found::Line(_)) {
            return is_blank_line(text);
        }
        // Nearly every record begins with a character that is seen.
        let first_cell = text.get(..self.cells.ends.first().copied().unwrap_or(0)).unwrap_or_default();
        if first_cell.first().is_some_and(u8::is_ascii_graphic) {
            return false;
        }
        let gap = found.gap();
        let mut start = 0;
        self.cells.ends.iter().all(|end| {
            let cell = std::str::from_utf8(text.get(start..*end).unwrap_or_default());
            start = end + gap;
            cell.is_ok_and(|cell| cell.chars().all(is_blank))
        })
    }

    fn is_blank_text(&self, text: &[u8]) -> bool {
        let delimiter = char::from(self.delimiter.byte());
        std::str::from_utf8(text).is_ok_and(|text| text.chars().all(|c| is_blank(c) || c == delimiter))
    }

    /// Skips a line that is longer than the window. Returns whether it was blank, or nothing but padding at the end of the
    /// text.
    fn skip_long_line(&mut self) -> io::Result<bool> {
        let (mut blank, mut padding) = (true, true);
        loop {
            let bytes = self.window.bytes();
            let end = memchr2(b'\n', b'\r', bytes);
            let line = &bytes[..end.unwrap_or(bytes.len())];
            // The first bytes of a character that is not complete yet.
            let incomplete = match std::str::from_utf8(line) {
                Err(error) if end.is_none() && error.error_len().is_none() => {
                    line.len() - error.valid_up_to()
                }
                _ => 0,
            };
            let line = &line[..line.len() - incomplete];
            blank = blank && self.is_blank_text(line);
            padding = padding && line.iter().all(|byte| is_padding(*byte) || byte.is_ascii_whitespace());
            let length = line.len();
            self.window.consume(length);
            if end.is_some() {
                if self.window.bytes().len() < 2 {
                    self.window.fill()?;
                }
                self.window.consume(line_end(self.window.bytes()));
                return Ok(blank);
            }
            if !self.window.fill()? {
                self.window.consume(self.window.bytes().len());
                return Ok(blank && incomplete == 0 || padding);
            }
        }
    }
}

/// The line at the start of the window.
enum Line {
    /// `total` includes its line end.
    Whole { length: usize, total: usize },
    /// It is longer than the window.
    Long,
}
