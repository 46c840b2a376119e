//! Lines with quotes → one record. The rules of quotes (contract, §3) are here and nowhere else.
//!
//! A quote opens a cell where only blanks stand before it, and then the cell may hold delimiters and line breaks. A stray
//! quote does the same, and would swallow the rows up to the next one. So a record that goes over several lines is *broken*
//! if it shows that its quote was a stray one:
//!
//! 1. the quote never closes;
//! 2. a whole line inside reads as a row of its own: it has as many cells as the header;
//! 3. a cell with a line break closes, and something other than a delimiter follows;
//! 4. its first line, the open quote taken literally, and its last line both have as many cells as the header, and the quote
//!    is not in the last of them (or the file is wide: in a file of few columns an address in the last one looks the same).
//!
//! Then its first line is one bad row, and reading resumes at the line after it.

use memchr::{memchr, memchr2};

use super::line::{leading_blank, line_end};
use super::records::MAX_RECORD_BYTES;

/// How many columns a wide file has: so many that a line of text hardly ever has as many commas.
const WIDE: usize = 4;

/// What a line with quotes, and the lines that its quotes continue in, turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parsed {
    /// A record of this many bytes, line end included.
    Record(usize),
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
            _ => {
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
    if lines.number > 1 && lines.hides_a_row(rules) {
        return Parsed::Broken(lines.next);
    }
    Parsed::Record(lines.next)
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
    first: &'a [u8],
    /// The number of the first line's cell in which it ends, counted from 1.
    open_cell: usize,
}

impl<'a> Lines<'a> {
    fn new(text: &'a [u8], at_end: bool) -> Self {
        let end = memchr2(b'\n', b'\r', text).unwrap_or(text.len());
        let next = end + line_end(&text[end..]);
        Self { text, at_end, start: 0, end, next, number: 1, first: &text[..end], open_cell: 0 }
    }

    fn current(&self) -> &'a [u8] {
        &self.text[self.start..self.end]
    }

    /// Goes on to the next line inside a quoted cell. Returns the line end between the two.
    fn advance(&mut self, rules: Rules) -> Result<&'a [u8], Parsed> {
        // All of a line inside: before its last, after its first.
        if self.number > 1
            && rules
                .width
                .is_some_and(|width| width > 1 && count_cells(self.current(), rules.delimiter) == width)
        {
            return Err(Parsed::Broken(self.next));
        }
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

    /// Whether the last line of several is a row of its own, as the first one is.
    fn hides_a_row(&self, rules: Rules) -> bool {
        let of_first = count_cells(self.first, rules.delimiter);
        let width = rules.width.unwrap_or(of_first);
        width > 1
            && of_first == width
            && (self.open_cell < width || width >= WIDE)
            && count_cells(self.current(), rules.delimiter) == width
    }
}

/// Reads a quoted cell from after its opening quote. Returns where the cell ends in the line that is then the current one.
fn quoted_cell(
    lines: &mut Lines<'_>,
    opened: usize,
    rules: Rules,
    cells: &mut Cells,
) -> Result<usize, Parsed> {
    let first_line = lines.number;
    let mut at = opened;
    loop {
        let rest = &lines.current()[at..];
        let Some(quote) = memchr(b'"', rest) else {
            cells.text.extend_from_slice(rest);
            if cells.text.len() >= MAX_RECORD_BYTES {
                return Err(if lines.number == 1 { Parsed::TooLong } else { Parsed::Broken(lines.next) });
            }
            if lines.number == 1 {
                lines.open_cell = cells.ends.len() + 1;
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
        if lines.number > first_line && skip_blanks(lines.current(), at, rules.delimiter) < end {
            return Err(Parsed::Broken(lines.next));
        }
        cells.text.extend_from_slice(&lines.current()[at..end]);
        return Ok(end);
    }
}

/// How many cells a line has on its own. A quote that does not close in it is taken literally.
fn count_cells(line: &[u8], delimiter: u8) -> usize {
    let mut cells = 1;
    let mut at = 0;
    loop {
        let opening = skip_blanks(line, at, delimiter);
        let quoted = match line.get(opening) {
            Some(b'"') => closing_quote(line, opening + 1),
            Some(b'=') => formula_end(line, opening, delimiter),
            _ => None,
        };
        let end = cell_end(line, quoted.unwrap_or(at), delimiter);
        if end >= line.len() {
            return cells;
        }
        cells += 1;
        at = end + 1;
    }
}

/// The position of the quote that closes a cell whose text begins at `at`.
fn closing_quote(line: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr(b'"', line.get(at..)?)?;
        if line.get(at + 1) != Some(&b'"') {
            return Some(at);
        }
        at += 2;
    }
}

/// Excel's way to keep the zeros of a number: `="00042"`. The position of its last quote if there is one at `at`.
fn formula_end(line: &[u8], at: usize, delimiter: u8) -> Option<usize> {
    if line.get(at..at + 2) != Some(b"=\"") {
        return None;
    }
    let close = closing_quote(line, at + 2)?;
    (skip_blanks(line, close + 1, delimiter) == cell_end(line, close + 1, delimiter)).then_some(close)
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

/// Appends a text in which each quote stands twice.
fn push_unescaped(text: &[u8], to: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(quote) = memchr(b'"', rest) {
        to.extend_from_slice(&rest[..=quote]);
        rest = rest.get(quote + 2..).unwrap_or_default();
    }
    to.extend_from_slice(rest);
}

/// The position of the next delimiter, or the end of the line.
fn cell_end(line: &[u8], at: usize, delimiter: u8) -> usize {
    memchr(delimiter, &line[at..]).map_or(line.len(), |length| at + length)
}

/// The position of the next character that is neither a blank nor, where blanks delimit, a delimiter.
fn skip_blanks(line: &[u8], mut at: usize, delimiter: u8) -> usize {
    while line.get(at).is_some_and(|byte| *byte != delimiter)
        && let Some(length) = leading_blank(&line[at..])
    {
        at += length;
    }
    at
}
