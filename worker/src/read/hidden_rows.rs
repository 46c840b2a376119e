//! Whether a quoted cell of several lines has swallowed a row of the file: its quote is a stray one that closes by chance.
//!
//! A row is hidden if
//!
//! 1. a whole line inside the cell reads as a row of its own: it has as many cells as the header (contract, §3);
//! 2. or, from the start of a line inside the cell, a record reads as a row in which every quote is in its place. No line
//!    that begins inside a quoted cell does: its quotes are one too many;
//! 3. or a stray pair joins two rows: with the cell's quote taken literally, the record has as many cells as the header, and
//!    so has the line in which the cell closes. An address may look the same. It is left alone where each delimiter in the
//!    cell is followed by a blank, as it is in prose; where all other cells of the record are quoted, too; and in the last
//!    of few columns.

use memchr::{memchr, memchr_iter};

use super::line::{leading_blank, line_end, line_length};
use super::quotes::{closing_quote, formula_end, skip_blanks};

/// How many columns a wide file has: so many that a line of text hardly ever has as many commas.
const WIDE: usize = 4;

/// A quoted cell that holds line breaks.
#[derive(Debug, Clone, Copy)]
pub(super) struct QuotedSpan {
    /// Where its quote opens in the record.
    pub quote: usize,
    /// The position after its closing quote.
    pub end: usize,
    /// Its number in the record, counted from 1.
    pub cell: usize,
    /// All other cells of the record are quoted, or blank.
    pub among_quoted: bool,
}

/// The answer, and how many bytes were looked at for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hidden {
    Row(usize),
    Nothing(usize),
    /// The text has to be longer to tell.
    NeedsMore,
}

/// Whether a cell of the record at the start of `text` hides a row of `width` cells. `at_end`: nothing follows `text`.
///
/// A cell that takes a look at more than `limit` bytes was made for it, and counts as one that does.
pub(super) fn hides_row(
    text: &[u8],
    at_end: bool,
    span: &QuotedSpan,
    (width, delimiter): (usize, u8),
    limit: usize,
) -> Hidden {
    let mut looked_at = 0;
    if width < 2 {
        return Hidden::Nothing(looked_at);
    }
    let mut start = next_line(text, span.quote);
    while start < span.end {
        if looked_at > limit {
            return Hidden::Row(looked_at);
        }
        let next = next_line(text, start);
        let end = line_length(&text[start..]) + start;
        let is_closing = next >= span.end || end == text.len();
        if !is_closing {
            looked_at += end - start;
            let line = scan(&text[start..end], true, Scan::new(delimiter, width));
            if line.is_some_and(|line| line.cells == width) {
                return Hidden::Row(looked_at);
            }
        }
        let Some(own) = scan(&text[start..], at_end, Scan { strict: true, ..Scan::new(delimiter, width) })
        else {
            return Hidden::NeedsMore;
        };
        looked_at += own.end;
        if own.cells == width && !own.is_open && !own.misplaced {
            return Hidden::Row(looked_at);
        }
        if is_closing {
            looked_at += end - start;
            let closing = Scan { open_is_literal: true, ..Scan::new(delimiter, width) };
            let has_width = scan(&text[start..end], true, closing).is_some_and(|line| line.cells == width);
            let ends_record = skip_blanks(text, span.end, delimiter) == end;
            let may_be_address = span.cell == width && ends_record && width < WIDE
                || span.among_quoted
                || is_prose(&text[span.quote..span.end], delimiter);
            if has_width && !may_be_address {
                let literal = Scan { literal: Some(span.quote), ..Scan::new(delimiter, width) };
                let Some(before) = scan(text, at_end, literal) else { return Hidden::NeedsMore };
                looked_at += before.end;
                if before.cells == width {
                    return Hidden::Row(looked_at);
                }
            }
        }
        start = next;
    }
    Hidden::Nothing(looked_at)
}

/// Whether a blank follows each delimiter of a text.
fn is_prose(text: &[u8], delimiter: u8) -> bool {
    delimiter != b'\t' && memchr_iter(delimiter, text).all(|at| leading_blank(&text[at + 1..]).is_some())
}

fn next_line(text: &[u8], at: usize) -> usize {
    let end = at + line_length(&text[at..]);
    end + line_end(&text[end..])
}

/// How a record is scanned.
#[derive(Debug, Clone, Copy)]
struct Scan {
    delimiter: u8,
    /// One cell more ends the scan.
    width: usize,
    /// A quote at this position is an ordinary character.
    literal: Option<usize>,
    /// A quote that does not close is an ordinary character.
    open_is_literal: bool,
    /// A misplaced quote ends the scan.
    strict: bool,
}

impl Scan {
    fn new(delimiter: u8, width: usize) -> Self {
        Self { delimiter, width, literal: None, open_is_literal: false, strict: false }
    }
}

/// What a scan found.
#[derive(Debug, Clone, Copy, Default)]
struct Scanned {
    cells: usize,
    /// How far the scan went.
    end: usize,
    /// A quote does not close.
    is_open: bool,
    /// Text follows a closing quote, or a quote ends a cell that none opened.
    misplaced: bool,
}

/// Scans the record at the start of `text`. `None` if the text has to be longer.
fn scan(text: &[u8], at_end: bool, how: Scan) -> Option<Scanned> {
    let mut found = Scanned::default();
    let mut at = 0;
    loop {
        found.cells += 1;
        found.end = at;
        if found.cells > how.width || how.strict && found.misplaced {
            return Some(found);
        }
        let opening = skip_blanks(text, at, how.delimiter);
        match text.get(opening) {
            Some(b'"') if how.literal != Some(opening) => match closing_quote(text, opening + 1) {
                Some(close) => {
                    at = close + 1;
                    found.misplaced |= !ends_cell(text, at, how.delimiter);
                }
                None if how.open_is_literal => {}
                None if at_end => return Some(Scanned { end: text.len(), is_open: true, ..found }),
                None => return None,
            },
            Some(b'=') => {
                let line = &text[..opening + line_length(&text[opening..])];
                at = formula_end(line, opening, how.delimiter).map_or(at, |close| close + 1);
            }
            _ => {}
        }
        // The rest of the cell is literal.
        let rest = &text[at..];
        let line = &rest[..line_length(rest)];
        let cell = &line[..memchr(how.delimiter, line).unwrap_or(line.len())];
        let mut quotes = memchr_iter(b'"', cell);
        found.misplaced |= quotes.any(|quote| ends_cell(rest, quote + 1, how.delimiter));
        at += cell.len();
        if text.get(at) == Some(&how.delimiter) {
            at += 1;
        } else if at < text.len() || at_end {
            found.end = at;
            return Some(found);
        } else {
            return None;
        }
    }
}

/// Whether only blanks stand before the end of the cell.
fn ends_cell(text: &[u8], at: usize, delimiter: u8) -> bool {
    let next = text.get(skip_blanks(text, at, delimiter));
    next.is_none_or(|byte| *byte == delimiter || matches!(byte, b'\n' | b'\r'))
}
