//! Lines with quotes → one record. The rules of quotes (contract, §3) are here and nowhere else.
//!
//! A quote opens a cell where only blanks stand before it, and then the cell may hold delimiters and line breaks. A stray
//! quote does the same, and would swallow the rows up to the next one. So a record with a cell of several lines is *broken*
//! if it shows that the cell's quote was a stray one:
//!
//! 1. it never closes;
//! 2. it closes, and something other than a delimiter follows;
//! 3. the cell hides a row of its own: see [`super::hidden_rows`].
//!
//! Then its first line is one bad row, and reading resumes at the line after it. The header has no header to be compared
//! with: it is broken if a cell has line breaks and delimiters.

use memchr::{memchr, memchr2};

use super::hidden_rows::{Hidden, QuotedSpan, hides_row};
use super::line::{line_end, line_length};
use super::positions::push_positions;
use super::quotes::{cell_end, closing_quote, formula_end, push_unescaped, skip_blanks};
use super::record::MAX_RECORD_BYTES;

/// What a line with quotes, and the lines that its quotes continue in, turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parsed {
    Record {
        /// Its length, line end included.
        total: usize,
        /// How many bytes were looked at, more than once each, to see whether it is broken.
        looked_at: usize,
    },
    /// The text has to be longer to tell.
    NeedsMore,
    /// Its first line alone is longer than a record may be.
    TooLong,
    /// Its quote does not close. This many bytes were looked at.
    Broken(usize),
}

/// The cells of a record, each but the last followed by one byte that separates it from the next.
#[derive(Debug, Default)]
pub(super) struct Cells {
    pub text: Vec<u8>,
    /// Where each cell ends.
    pub ends: Vec<usize>,
}

/// How a record is to be parsed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub delimiter: u8,
    /// How many cells the header has. `None` for the header itself.
    pub width: Option<usize>,
    /// How many bytes a record of several lines may have.
    pub max_bytes: usize,
}

/// Parses the record at the start of `text`, whose first line is complete. `at_end`: nothing follows `text`.
pub(super) fn parse(text: &[u8], at_end: bool, rules: Rules, cells: &mut Cells) -> Parsed {
    cells.text.clear();
    cells.ends.clear();
    let mut lines = Lines::new(text, at_end);
    let mut all_quoted = true;
    let mut at = 0;
    loop {
        let start = cells.text.len();
        let opening = skip_blanks(lines.current(), at, rules.delimiter);
        let after_cell = match lines.current().get(opening) {
            Some(b'"') => match quoted_cell(&mut lines, opening + 1, rules, cells) {
                Ok(after) => after,
                Err(stopped) => return stopped,
            },
            Some(b'=') if let Some(close) = formula_end(lines.current(), opening, rules.delimiter) => {
                push_unescaped(&lines.current()[opening + 2..close], &mut cells.text);
                cell_end(lines.current(), close, rules.delimiter)
            }
            next => {
                all_quoted &= next.is_none_or(|byte| *byte == rules.delimiter);
                let end = cell_end(lines.current(), at, rules.delimiter);
                cells.text.extend_from_slice(&lines.current()[at..end]);
                end
            }
        };
        unwrap_formula(&mut cells.text, start);
        cells.ends.push(cells.text.len());
        if cells.text.len() >= MAX_RECORD_BYTES {
            return if lines.number == 1 { Parsed::TooLong } else { Parsed::Broken(lines.next) };
        }
        if after_cell >= lines.current().len() {
            break;
        }
        cells.text.push(rules.delimiter);
        at = after_cell + 1;
    }
    let mut looked_at = 0;
    if let Some(width) = rules.width {
        for span in &lines.spans {
            let limit = (4 * rules.max_bytes).saturating_sub(looked_at);
            let span = QuotedSpan { among_quoted: all_quoted, ..*span };
            match hides_row(text, at_end, &span, (width, rules.delimiter), limit) {
                Hidden::Row(bytes) => return Parsed::Broken(lines.next + looked_at + bytes),
                Hidden::Nothing(bytes) => looked_at += bytes,
                Hidden::NeedsMore => return Parsed::NeedsMore,
            }
        }
    }
    Parsed::Record { total: lines.next, looked_at }
}

/// Splits a line of which each cell stands in quotes and no quote is doubled: `"a","b,c"`. Appends where the cells end, counted
/// from after the first quote; from each to the next cell there are three bytes. Returns `false` for any other line.
pub(super) fn split_quoted(line: &[u8], delimiter: u8, ends: &mut Vec<usize>) -> bool {
    let [b'"', .., b'"'] = line else { return false };
    let first = ends.len();
    push_positions(line, b'"', ends);
    let quotes = &ends[first..];
    let are_cells = quotes.len().is_multiple_of(2)
        && quotes[1..quotes.len() - 1]
            .chunks_exact(2)
            .all(|pair| pair[1] == pair[0] + 2 && line[pair[0] + 1] == delimiter);
    if are_cells {
        for cell in 0..quotes.len() / 2 {
            ends[first + cell] = ends[first + 2 * cell + 1] - 1;
        }
        ends.truncate(first + (ends.len() - first) / 2);
    } else {
        ends.truncate(first);
    }
    are_cells
}

/// The physical lines of a record.
struct Lines<'a> {
    text: &'a [u8],
    at_end: bool,
    /// Where the current line starts and ends.
    start: usize,
    end: usize,
    /// Where the next line starts.
    next: usize,
    /// The current line's number, counted from 1.
    number: usize,
    /// The quoted cells that hold line breaks.
    spans: Vec<QuotedSpan>,
}

impl<'a> Lines<'a> {
    fn new(text: &'a [u8], at_end: bool) -> Self {
        let end = line_length(text);
        let next = end + line_end(&text[end..]);
        Self { text, at_end, start: 0, end, next, number: 1, spans: Vec::new() }
    }

    fn current(&self) -> &'a [u8] {
        &self.text[self.start..self.end]
    }

    /// Goes on to the next line inside a quoted cell. Returns the line end between the two.
    fn advance(&mut self, rules: Rules) -> Result<&'a [u8], Parsed> {
        if self.next >= self.text.len() {
            return Err(if self.at_end { Parsed::Broken(self.next) } else { Parsed::NeedsMore });
        }
        if self.next >= rules.max_bytes {
            return Err(Parsed::Broken(self.next));
        }
        let rest = &self.text[self.next..];
        let length = memchr2(b'\n', b'\r', rest);
        // A line feed may follow a carriage return.
        let is_complete = length.is_some_and(|length| length + 1 < rest.len() || rest[length] == b'\n');
        if !is_complete && !self.at_end {
            return Err(Parsed::NeedsMore);
        }
        let break_between = &self.text[self.end..self.next];
        self.start = self.next;
        self.end = self.next + length.unwrap_or(rest.len());
        self.next = self.end + line_end(&self.text[self.end..]);
        self.number += 1;
        Ok(break_between)
    }
}

/// Reads a quoted cell from after its opening quote. Returns where the cell ends in the line that is then the current one.
fn quoted_cell(
    lines: &mut Lines<'_>,
    opened: usize,
    rules: Rules,
    cells: &mut Cells,
) -> Result<usize, Parsed> {
    let (first_line, start) = (lines.number, cells.text.len());
    let quote_at = lines.start + opened - 1;
    let mut at = opened;
    loop {
        let rest = &lines.current()[at..];
        let Some(quote) = memchr(b'"', rest) else {
            cells.text.extend_from_slice(rest);
            if cells.text.len() >= MAX_RECORD_BYTES {
                return Err(if lines.number == 1 { Parsed::TooLong } else { Parsed::Broken(lines.next) });
            }
            cells.text.extend_from_slice(lines.advance(rules)?);
            at = 0;
            continue;
        };
        cells.text.extend_from_slice(&rest[..quote]);
        at += quote + 1;
        if lines.current().get(at) == Some(&b'"') {
            cells.text.push(b'"');
            at += 1;
            continue;
        }
        let end = cell_end(lines.current(), at, rules.delimiter);
        let is_stray = skip_blanks(lines.current(), at, rules.delimiter) < end
            || rules.width.is_none() && memchr(rules.delimiter, &cells.text[start..]).is_some();
        if lines.number > first_line {
            if is_stray {
                return Err(Parsed::Broken(lines.next));
            }
            lines.spans.push(QuotedSpan {
                quote: quote_at,
                end: lines.start + at,
                cell: cells.ends.len() + 1,
                among_quoted: false,
            });
        }
        cells.text.extend_from_slice(&lines.current()[at..end]);
        return Ok(end);
    }
}

/// The same in quotes: `"=""00042"""`. Replaces the cell that begins at `start` by the text of its formula.
fn unwrap_formula(cells: &mut Vec<u8>, start: usize) {
    let cell = cells[start..].trim_ascii();
    let Some(inner) = cell.strip_prefix(b"=\"").and_then(|cell| cell.strip_suffix(b"\"")) else { return };
    // A formula that does more than hold a text has single quotes inside.
    if closing_quote(inner, 0).is_none() {
        let mut text = Vec::with_capacity(inner.len());
        push_unescaped(inner, &mut text);
        cells.truncate(start);
        cells.append(&mut text);
    }
}
