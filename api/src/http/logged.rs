//! What a client sent, as it may stand in a log line or in a span: short, and without what could break a line or a
//! terminal.

use std::fmt::{self, Display, Write as _};

use axum::http::HeaderValue;

/// Maximum length of a client's text in a log line or a span.
pub const MAX_LOGGED_BYTES: usize = 256;

/// What stands for the rest of a text that is too long.
const REST: char = '…';

/// A client's text for the log. It has at most [`MAX_LOGGED_BYTES`]; quotes, backslashes and unprintable characters are
/// escaped as in Rust.
pub fn logged(text: &str) -> impl Display + '_ {
    Logged(text)
}

/// A header's value for the log.
pub fn logged_header(value: &HeaderValue) -> impl Display + use<> {
    let value = value.as_bytes();
    // More can never be shown. A character that this cuts in two becomes a replacement character, which is cut as well.
    let value = value.get(..MAX_LOGGED_BYTES + 4).unwrap_or(value);
    logged(&String::from_utf8_lossy(value)).to_string()
}

struct Logged<'a>(&'a str);

impl Display for Logged<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = |text: &str| -> usize { text.chars().map(escaped_length).sum() };
        // Long texts are not measured to their end.
        let is_short = self.0.len() <= MAX_LOGGED_BYTES && length(self.0) <= MAX_LOGGED_BYTES;
        if is_short {
            return self.0.chars().try_for_each(|c| write_escaped(f, c));
        }
        let mut left = MAX_LOGGED_BYTES - REST.len_utf8();
        for c in self.0.chars() {
            let Some(rest) = left.checked_sub(escaped_length(c)) else { break };
            left = rest;
            write_escaped(f, c)?;
        }
        f.write_char(REST)
    }
}

fn escaped_length(c: char) -> usize {
    if c == '\'' { 1 } else { c.escape_debug().map(char::len_utf8).sum() }
}

fn write_escaped(f: &mut fmt::Formatter<'_>, c: char) -> fmt::Result {
    if c == '\'' { f.write_char(c) } else { write!(f, "{}", c.escape_debug()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_breaks_no_line_and_is_short() {
        for (text, expected) in [
            ("/api/import/jobs", "/api/import/jobs"),
            ("Schüler's", "Schüler's"),
            ("x\n\u{1b}[2J\"\\", "x\\n\\u{1b}[2J\\\"\\\\"),
            ("\u{202e}\u{2028}", "\\u{202e}\\u{2028}"),
            ("", ""),
        ] {
            assert_eq!(logged(text).to_string(), expected);
        }
        for character in ['x', 'ü', '\u{1F600}', '\n', '"', '\u{200b}'] {
            for count in [1, 10, 85, 86, 255, 256, 257, 100_000] {
                let text: String = std::iter::repeat_n(character, count).collect();
                let shown = logged(&text).to_string();
                assert!(shown.len() <= MAX_LOGGED_BYTES, "{count} of {character:?}: {}", shown.len());
                assert!(!shown.contains('\n'));
                assert_eq!(
                    shown.ends_with(REST),
                    count * escaped_length(character) > MAX_LOGGED_BYTES,
                    "{count} of {character:?}"
                );
            }
        }
        let value = HeaderValue::from_bytes(&vec![0xfc; 60_000]).expect("a header may have such bytes");
        assert!(logged_header(&value).to_string().len() <= MAX_LOGGED_BYTES);
    }
}
