//! A part of a text in memory: from the record that is read next to as far as was needed to read it.

use std::io::{self, Read};

use super::line::{leading_blank, line_length};
use super::text::{BLOCK_BYTES, Text};

/// What MS-DOS leaves at the end of a file: Ctrl-Z, and NUL up to the end of the last block.
pub(super) const fn is_padding(byte: u8) -> bool {
    matches!(byte, 0 | 0x1A)
}

/// How many bytes at the start of a text may precede or follow padding without being data: blanks, delimiters, line ends.
fn leading_filler(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        at += match byte {
            b',' | b';' => 1,
            byte if is_padding(*byte) => 1,
            _ => match leading_blank(&text[at..]) {
                Some(length) => length,
                None => break,
            },
        };
    }
    at
}

/// The position after the last data of a text. 0 if it holds none.
fn end_of_data(text: &[u8]) -> usize {
    let mut end = text.len();
    while end > 0 {
        // The first byte of the last character.
        let start = text[..end].iter().rposition(|byte| byte & 0xC0 != 0x80).unwrap_or(end - 1);
        if start + leading_filler(&text[start..end]) != end {
            return end;
        }
        end = start;
    }
    0
}

/// Whether a line may belong to the padding at the end of a text, or ends in it.
pub(super) fn ends_in_padding(line: &[u8]) -> bool {
    // Nearly every line ends in a letter or digit.
    !line.last().is_some_and(u8::is_ascii_alphanumeric)
        && line[end_of_data(line)..].iter().any(|byte| is_padding(*byte))
}

/// A text that is read on demand. The padding at its end is dropped.
#[derive(Debug)]
pub(super) struct Window<R> {
    text: Text<R>,
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// How many bytes may be held at a time.
    limit: usize,
    delimiter: u8,
    /// How many bytes of the text come before the window.
    offset: u64,
    at_end: bool,
}

impl<R: Read> Window<R> {
    /// At most `limit` bytes of `text` at a time.
    pub(super) fn new(text: Text<R>, limit: usize, delimiter: u8) -> Self {
        Self { text, bytes: Vec::new(), start: 0, end: 0, limit, delimiter, offset: 0, at_end: false }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// How many bytes of the text come before the window.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether nothing follows the window.
    pub(super) fn is_at_end(&self) -> bool {
        self.at_end
    }

    /// Bytes of memory.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Removes bytes from the start of the window.
    pub(super) fn consume(&mut self, bytes: usize) {
        let bytes = bytes.min(self.end - self.start);
        self.start += bytes;
        self.offset += bytes as u64;
    }

    /// Reads more. Returns `false`, without having read anything, where the text has ended or the window is full.
    pub(super) fn fill(&mut self) -> io::Result<bool> {
        if self.at_end || self.end - self.start >= self.limit {
            return Ok(false);
        }
        if self.bytes.len() - self.end < BLOCK_BYTES {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            if self.bytes.len() - self.end < BLOCK_BYTES {
                let length = (2 * self.bytes.len()).max(2 * BLOCK_BYTES).min(self.limit + BLOCK_BYTES);
                self.bytes.resize(length, 0);
            }
        }
        let read = self.text.read(&mut self.bytes[self.end..])?;
        self.end += read;
        if read == 0 {
            self.at_end = true;
            self.drop_padding();
        }
        Ok(true)
    }

    /// Reads until the window holds something other than padding after its first `from` bytes, or as far as possible.
    /// Returns the position of what it holds.
    pub(super) fn find_data(&mut self, from: usize) -> io::Result<Option<usize>> {
        let mut searched = from;
        loop {
            let rest = self.bytes().get(searched..).unwrap_or_default();
            let filler = leading_filler(rest);
            let is_all = filler == rest.len();
            searched += filler;
            // A character at the end of the window may be incomplete.
            let is_certain = rest.len() - filler >= 4 || self.at_end;
            if !is_all && is_certain {
                return Ok(Some(searched));
            }
            if !self.fill()? {
                return Ok((!is_all).then_some(searched));
            }
        }
    }

    /// Drops lines of nothing but padding and blanks from the end, and padding from the end of the last line of data.
    fn drop_padding(&mut self) {
        let window = &self.bytes[self.start..self.end];
        let data = end_of_data(window);
        if data == 0 {
            // The window starts at the start of a line.
            if window.iter().any(|byte| is_padding(*byte)) {
                self.end = self.start;
            }
            return;
        }
        let rest = &window[data..];
        let (line, lines) = rest.split_at(line_length(rest));
        // What follows the last delimiter is not data but may be blank.
        let kept = line.iter().rposition(|byte| *byte == self.delimiter).map_or(0, |last| last + 1);
        if line[kept..].iter().any(|byte| is_padding(*byte)) {
            self.end = self.start + data + kept;
        } else if let Some(padding) = lines.iter().position(|byte| is_padding(*byte)) {
            self.end = self.start + data + line.len() + padding;
        }
    }
}
