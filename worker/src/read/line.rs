//! Physical lines of a text: up to a line feed, a carriage return, or both.

use memchr::memchr2;
use rollcall_schema::names::is_invisible;

/// The first line of a text without its line end, and its length with it. `None` for an empty text.
pub(super) fn first_line(text: &[u8]) -> Option<(&[u8], usize)> {
    if text.is_empty() {
        return None;
    }
    let length = line_length(text);
    let (line, rest) = text.split_at(length);
    Some((line, length + line_end(rest)))
}

/// The length of the first line, without its line end.
pub(super) fn line_length(text: &[u8]) -> usize {
    memchr2(b'\n', b'\r', text).unwrap_or(text.len())
}

/// The length of the line end that `text` begins with.
pub(super) fn line_end(text: &[u8]) -> usize {
    match text {
        [b'\r', b'\n', ..] => 2,
        [b'\r' | b'\n', ..] => 1,
        _ => 0,
    }
}

/// Whether a character separates words or is not seen at all.
pub(super) fn is_blank(c: char) -> bool {
    c.is_whitespace() || is_invisible(c)
}

/// Whether a line holds nothing but blanks and delimiters, whichever is the file's.
pub(super) fn is_blank_line(line: &[u8]) -> bool {
    std::str::from_utf8(line).is_ok_and(|text| text.chars().all(|c| is_blank(c) || matches!(c, ',' | ';')))
}

/// The character that `text` begins with, if it is a blank, and its length in bytes.
pub(super) fn leading_blank(text: &[u8]) -> Option<usize> {
    match text {
        [] => None,
        [byte, ..] if byte.is_ascii() => char::from(*byte).is_whitespace().then_some(1),
        _ => {
            let start = text.get(..4).unwrap_or(text);
            let valid = match std::str::from_utf8(start) {
                Ok(valid) => valid,
                Err(error) => std::str::from_utf8(start.get(..error.valid_up_to())?).ok()?,
            };
            let first = valid.chars().next()?;
            is_blank(first).then_some(first.len_utf8())
        }
    }
}
