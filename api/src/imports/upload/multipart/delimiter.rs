//! The delimiter lines of a form: two dashes and the boundary, two more dashes on the last one.

use memchr::memmem::Finder;
use memchr::memrchr;

/// Blanks that may follow the boundary on its line.
const MAX_PADDING: usize = 256;

/// A boundary, as it stands in the body.
pub(super) struct Delimiter {
    /// LF, two dashes and the boundary.
    needle: Vec<u8>,
    finder: Finder<'static>,
}

/// Whether a line is a delimiter line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Match {
    No,
    /// It depends on what follows.
    Partial,
    /// It is, and a part follows.
    Next {
        /// The length of the line, with its line end.
        length: usize,
        /// Whether the line ends with CRLF.
        crlf: bool,
    },
    /// It is the last one. A body that ends with the boundary is closed by it, even without the two dashes.
    Close {
        /// The length of the line, with its line end if it has one.
        length: usize,
    },
}

impl Delimiter {
    pub fn new(boundary: &[u8]) -> Self {
        let needle = [b"\n--", boundary].concat();
        let finder = Finder::new(&needle).into_owned();
        Self { needle, finder }
    }

    /// The line without its end.
    pub fn line(&self) -> &[u8] {
        &self.needle[1..]
    }

    /// Whether the line that `rest` begins with is a delimiter line. `ended` says that nothing follows `rest`.
    pub fn match_line(&self, rest: &[u8], ended: bool) -> Match {
        let Some(after) = rest.strip_prefix(self.line()) else {
            let is_prefix = !ended && self.line().starts_with(rest);
            return if is_prefix { Match::Partial } else { Match::No };
        };
        let (closes, after) = match after {
            [b'-', b'-', after @ ..] => (true, after),
            [b'-'] if ended => return Match::Close { length: rest.len() },
            [b'-'] => return Match::Partial,
            after => (false, after),
        };
        let padding = after.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        if padding > MAX_PADDING {
            return Match::No;
        }
        let after = &after[padding..];
        let line_end = match after {
            [b'\n', ..] => 1,
            [b'\r', b'\n', ..] => 2,
            [] | [b'\r'] if ended => return Match::Close { length: rest.len() },
            [] | [b'\r'] => return Match::Partial,
            _ => return Match::No,
        };
        let length = rest.len() - after.len() + line_end;
        if closes { Match::Close { length } } else { Match::Next { length, crlf: line_end == 2 } }
    }

    /// Whether the line that `rest` begins with has the two dashes of the last one.
    pub fn closes(&self, rest: &[u8]) -> bool {
        rest.strip_prefix(self.line()).is_some_and(|after| after.starts_with(b"--"))
    }

    /// The first LF with the boundary after it.
    pub fn find(&self, data: &[u8]) -> Option<usize> {
        self.finder.find(data)
    }

    /// How much of the data can be no part of a delimiter line or of the line end before it, whatever follows.
    pub fn possible_start(&self, data: &[u8]) -> usize {
        let tail = data.len().saturating_sub(self.needle.len() - 1);
        let line_feed = memrchr(b'\n', &data[tail..])
            .map(|found| tail + found)
            .filter(|&line_feed| self.needle.starts_with(&data[line_feed..]));
        let start = line_feed.unwrap_or(data.len());
        if data[..start].ends_with(b"\r") { start - 1 } else { start }
    }
}
