//! Where cells begin and end in a line: quotes, blanks around them, and delimiters.

use memchr::memchr;

use super::line::leading_blank;

/// The position of the quote that closes a cell whose text begins at `at`.
pub(super) fn closing_quote(line: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr(b'"', line.get(at..)?)?;
        if line.get(at + 1) != Some(&b'"') {
            return Some(at);
        }
        at += 2;
    }
}

/// Excel's way to keep the zeros of a number: `="00042"`. The position of its last quote if there is one at `at`.
pub(super) fn formula_end(line: &[u8], at: usize, delimiter: u8) -> Option<usize> {
    if line.get(at..at + 2) != Some(b"=\"") {
        return None;
    }
    let close = closing_quote(line, at + 2)?;
    (skip_blanks(line, close + 1, delimiter) == cell_end(line, close + 1, delimiter)).then_some(close)
}

/// Appends a text in which each quote stands twice.
pub(super) fn push_unescaped(text: &[u8], to: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(quote) = memchr(b'"', rest) {
        to.extend_from_slice(&rest[..=quote]);
        rest = rest.get(quote + 2..).unwrap_or_default();
    }
    to.extend_from_slice(rest);
}

/// The position of the next delimiter, or the end of the line.
pub(super) fn cell_end(line: &[u8], at: usize, delimiter: u8) -> usize {
    memchr(delimiter, &line[at..]).map_or(line.len(), |length| at + length)
}

/// The position of the next character of the line that is not a blank. Where blanks delimit, the delimiter is none.
pub(super) fn skip_blanks(text: &[u8], mut at: usize, delimiter: u8) -> usize {
    while text.get(at).is_some_and(|byte| *byte != delimiter && !matches!(byte, b'\n' | b'\r'))
        && let Some(length) = leading_blank(&text[at..])
    {
        at += length;
    }
    at
}
