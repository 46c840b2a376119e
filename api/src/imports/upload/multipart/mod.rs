//! Reading multipart forms (RFC 2046, RFC 7578) as clients write them: bytes in, parts and their data out.
//!
//! It reads what the grammar forbids but clients send: a byte-order mark, parts without headers, folded headers, LF as the line
//! end, and a closing delimiter line after a bare LF. Lines of the file that only resemble a delimiter line stay in
//! the file. It knows nothing of files, limits on their size, or how a refusal is worded.
//!
//! It holds one frame, and of the frames before it at most what may be the beginning of a delimiter line, or a part's
//! headers.

mod delimiter;
mod part;
#[cfg(test)]
mod tests;

use bytes::{Buf as _, Bytes, BytesMut};
use memchr::memchr;

use delimiter::{Delimiter, Match};
pub use part::PartHeaders;

/// Maximum length of a part's headers.
const MAX_HEADER_BYTES: usize = 64 * 1024;
/// Line ends and blanks after a closing delimiter that may turn out not to be one.
const MAX_EPILOGUE_BYTES: usize = 16;
/// Bytes of the body that are kept to describe a body without a boundary.
pub(super) const OPENING_BYTES: usize = 1024;

/// What some editors and shells write at the beginning of a text in UTF-8, also of a form.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// What comes next in a form.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// A part begins. Its data follow, unless it has none, and its [`PartEnd`](Event::PartEnd).
    Part(PartHeaders),
    Data(Bytes),
    PartEnd,
    /// The form is closed. Whatever follows is ignored.
    End,
}

/// Why a body is not a form that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormError {
    /// The body has ended, and no line of it is a delimiter line.
    NoBoundary,
    /// The body has ended within a part, or within the first delimiter line.
    CutShort,
    /// The body ends with the closing delimiter, but that does not begin a line.
    ClosedWithinLine,
    /// A part's headers are longer than [`MAX_HEADER_BYTES`].
    LongHeaders,
}

/// A parser that is pushed frames and pulled for events.
pub struct MultipartParser {
    /// The delimiter that the form opened with; until then the first that the header gives.
    delimiter: Delimiter,
    /// The further delimiters that the header gives, until the form has opened.
    others: Vec<Delimiter>,
    /// Whether the first delimiter line ended with CRLF. The line end before a delimiter line is then CRLF too, else LF.
    crlf: bool,
    state: State,
    buffer: BytesMut,
    /// Whether the body has ended, so that nothing follows the buffer.
    ended: bool,
    /// The beginning of the body.
    opening: Vec<u8>,
    /// The last bytes that were returned as data.
    tail: Vec<u8>,
}

#[derive(Debug)]
enum State {
    /// Nothing was read.
    Start,
    Preamble {
        at_line_start: bool,
    },
    Headers {
        headers: PartHeaders,
        bytes: usize,
        searched: usize,
    },
    Data {
        at_start: bool,
    },
    Closed,
}

impl MultipartParser {
    /// A parser of a form whose header gives this boundary and these others.
    pub fn new(boundary: &[u8], others: &[&[u8]]) -> Self {
        Self {
            delimiter: Delimiter::new(boundary),
            others: others.iter().map(|boundary| Delimiter::new(boundary)).collect(),
            crlf: true,
            state: State::Start,
            buffer: BytesMut::new(),
            ended: false,
            opening: Vec::new(),
            tail: Vec::new(),
        }
    }

    /// Adds a frame of the body.
    pub fn push(&mut self, frame: &[u8]) {
        if !self.is_open() {
            let missing = OPENING_BYTES.saturating_sub(self.opening.len());
            self.opening.extend_from_slice(frame.get(..missing).unwrap_or(frame));
        }
        self.buffer.extend_from_slice(frame);
    }

    /// Says that the body has ended.
    pub fn finish(&mut self) {
        self.ended = true;
    }

    /// Whether the first delimiter line was found.
    pub fn is_open(&self) -> bool {
        !matches!(self.state, State::Start | State::Preamble { .. })
    }

    /// Whether the body is complete if nothing else arrives: a closing delimiter was read up to its line end.
    pub fn may_be_closed(&self) -> bool {
        let held = self.buffer.trim_ascii_start();
        self.is_open() && held.starts_with(self.delimiter.line()) && self.delimiter.closes(held)
    }

    /// The beginning of the body: at most [`OPENING_BYTES`].
    pub fn opening(&self) -> &[u8] {
        &self.opening
    }

    /// The next event, or `None` if it depends on bytes that have not been pushed yet.
    pub fn next_event(&mut self) -> Result<Option<Event>, FormError> {
        loop {
            match self.state {
                State::Start => {
                    if !self.ended && self.buffer.len() < BYTE_ORDER_MARK.len() {
                        return Ok(None);
                    }
                    if self.buffer.starts_with(BYTE_ORDER_MARK) {
                        self.buffer.advance(BYTE_ORDER_MARK.len());
                    }
                    self.state = State::Preamble { at_line_start: true };
                }
                State::Preamble { .. } => {
                    if !self.skip_preamble()? {
                        return Ok(None);
                    }
                }
                State::Headers { .. } => return self.read_headers(),
                State::Data { .. } => return self.read_data(),
                State::Closed => return Ok(Some(Event::End)),
            }
        }
    }

    /// Returns whether the first delimiter line was found.
    fn skip_preamble(&mut self) -> Result<bool, FormError> {
        let State::Preamble { mut at_line_start } = self.state else { return Ok(true) };
        loop {
            if at_line_start {
                match self.match_first() {
                    Match::No if self.ended && self.is_cut_delimiter() => return Err(FormError::CutShort),
                    Match::No => {}
                    Match::Partial => {
                        self.state = State::Preamble { at_line_start };
                        return Ok(false);
                    }
                    found => {
                        self.begin_part(0, found);
                        return Ok(true);
                    }
                }
            }
            let line_end = memchr(b'\n', &self.buffer);
            at_line_start = line_end.is_some();
            match line_end {
                Some(line_end) => self.buffer.advance(line_end + 1),
                None if self.ended => return Err(FormError::NoBoundary),
                None => {
                    self.buffer.clear();
                    self.state = State::Preamble { at_line_start };
                    return Ok(false);
                }
            }
        }
    }

    /// Matches the buffer with each delimiter, and keeps the one that matches.
    fn match_first(&mut self) -> Match {
        let first = self.delimiter.match_line(&self.buffer, self.ended);
        if matches!(first, Match::Next { .. } | Match::Close { .. }) {
            return first;
        }
        let mut partial = first == Match::Partial;
        for other in 0..self.others.len() {
            match self.others[other].match_line(&self.buffer, self.ended) {
                Match::No => {}
                Match::Partial => partial = true,
                found => {
                    self.delimiter = self.others.swap_remove(other);
                    return found;
                }
            }
        }
        if partial { Match::Partial } else { Match::No }
    }

    /// Whether the body has ended within its first delimiter line.
    fn is_cut_delimiter(&self) -> bool {
        !self.buffer.is_empty()
            && std::iter::once(&self.delimiter)
                .chain(&self.others)
                .any(|delimiter| delimiter.line().starts_with(&self.buffer))
    }

    /// Goes past a delimiter line that begins at `line`.
    fn begin_part(&mut self, line: usize, delimiter: Match) {
        if let Match::Next { length, crlf } = delimiter {
            if !self.is_open() {
                self.crlf = crlf;
            }
            self.buffer.advance(line + length);
            self.state = State::Headers { headers: PartHeaders::default(), bytes: 0, searched: 0 };
        } else {
            self.buffer.clear();
            self.state = State::Closed;
        }
    }

    fn read_headers(&mut self) -> Result<Option<Event>, FormError> {
        let State::Headers { headers, bytes, searched } = &mut self.state else { return Ok(None) };
        let headers = loop {
            let Some(line_end) = memchr(b'\n', &self.buffer[*searched..]) else {
                if self.ended {
                    if self.delimiter.match_line(&self.buffer, true) == Match::No {
                        return Err(FormError::CutShort);
                    }
                    headers.mark_unended();
                    break headers;
                }
                *searched = self.buffer.len();
                if *bytes + *searched > MAX_HEADER_BYTES {
                    return Err(FormError::LongHeaders);
                }
                return Ok(None);
            };
            let length = *searched + line_end + 1;
            // A part may end without a blank line after its headers. Its delimiter line is left to `read_data`.
            if self.delimiter.match_line(&self.buffer[..length], false) != Match::No {
                headers.mark_unended();
                break headers;
            }
            let line = self.buffer.split_to(length);
            // Of blanks and line ends only: scripts write CR CR LF, and editors leave blanks.
            let line = line.trim_ascii_end();
            if line.is_empty() {
                break headers;
            }
            headers.add_line(line);
            *searched = 0;
            *bytes += length;
            if *bytes > MAX_HEADER_BYTES {
                return Err(FormError::LongHeaders);
            }
        };
        let headers = std::mem::take(headers);
        self.tail.clear();
        self.state = State::Data { at_start: true };
        Ok(Some(Event::Part(headers)))
    }

    fn read_data(&mut self) -> Result<Option<Event>, FormError> {
        if let State::Data { at_start: true } = self.state {
            // The blank line after the headers is the line end before the delimiter of a part without data.
            match self.delimiter.match_line(&self.buffer, self.ended) {
                Match::Partial => return Ok(None),
                Match::No => self.state = State::Data { at_start: false },
                found => return Ok(Some(self.end_part(0, found))),
            }
        }
        let mut from = 0;
        while let Some(found) = self.delimiter.find(&self.buffer[from..]) {
            let line_feed = from + found;
            let line = line_feed + 1;
            let after_crlf = line_feed.checked_sub(1).is_some_and(|before| self.buffer[before] == b'\r');
            // Where the data end if this is a delimiter line.
            let end = line_feed - usize::from(self.crlf && after_crlf);
            let mut matched = self.delimiter.match_line(&self.buffer[line..], self.ended);
            if self.crlf && !after_crlf {
                matched = self.last_line_only(line, matched);
            }
            match matched {
                Match::No => from = line,
                // The data before it are returned first; it is found again at the beginning of the buffer.
                Match::Partial | Match::Next { .. } | Match::Close { .. } if end > 0 => {
                    return Ok(Some(self.data(end)));
                }
                Match::Partial => return Ok(None),
                found => return Ok(Some(self.end_part(line, found))),
            }
        }
        if self.ended {
            return Err(self.not_closed());
        }
        let end = self.delimiter.possible_start(&self.buffer);
        Ok((end > 0).then(|| self.data(end)))
    }

    /// In a form with CRLF, a delimiter line after a bare LF belongs to the file, unless it closes the form and the body
    /// ends with it: scripts that put the form together often leave out the line end that belongs to the delimiter.
    fn last_line_only(&self, line: usize, matched: Match) -> Match {
        match matched {
            Match::Close { length } if is_epilogue(&self.buffer[line + length..]) => {
                if self.ended {
                    matched
                } else {
                    Match::Partial
                }
            }
            Match::Partial => Match::Partial,
            _ => Match::No,
        }
    }

    fn data(&mut self, length: usize) -> Event {
        let data = self.buffer.split_to(length).freeze();
        let kept = self.delimiter.line().len() + 4;
        self.tail.extend_from_slice(&data[data.len().saturating_sub(kept)..]);
        self.tail.drain(..self.tail.len().saturating_sub(kept));
        Event::Data(data)
    }

    fn end_part(&mut self, line: usize, delimiter: Match) -> Event {
        self.begin_part(line, delimiter);
        Event::PartEnd
    }

    /// Why a part has no end although the body has one.
    fn not_closed(&mut self) -> FormError {
        self.tail.extend_from_slice(&self.buffer);
        let tail = self.tail.trim_ascii_end();
        let closed = tail.strip_suffix(b"--").is_some_and(|line| line.ends_with(self.delimiter.line()));
        if closed { FormError::ClosedWithinLine } else { FormError::CutShort }
    }
}

/// Whether the rest of a body is the line ends that some clients add.
fn is_epilogue(rest: &[u8]) -> bool {
    rest.len() <= MAX_EPILOGUE_BYTES && rest.trim_ascii().is_empty()
}
