//! Which encoding a file is in, and its text as UTF-8.
//!
//! The order of `contract.md`, §3: a `charset` parameter, a byte-order mark, UTF-8 if the whole file is valid UTF-8,
//! Windows-1252. Only the end of the file can tell the last two apart, hence a reading of its own. A file that says
//! what it is must be that: names with replacement characters in them would be imported without anybody noticing.

use std::io::{self, BufRead, Read};

use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use super::records::MAX_RECORD_BYTES;
use super::refusal::{Basis, ReadError, Refusal};
use crate::rows::header;

/// How much is read at a time.
const BLOCK_BYTES: usize = 64 * 1024;

/// How much of a file is kept to read its header line from. A record may be [`MAX_RECORD_BYTES`] long without its
/// quotes; doubled quotes within a cell and a pair around it take no more than this.
const OPENING_BYTES: usize = 3 * MAX_RECORD_BYTES + 16;

const UTF_8_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The start of a file, as UTF-8 without a byte-order mark, from about the first line that is not blank.
#[derive(Debug)]
pub struct Opening {
    bytes: Vec<u8>,
    /// Nothing but white space so far.
    blank: bool,
    /// The file goes on after it.
    limits: bool,
}

impl Opening {
    fn new() -> Opening {
        Opening { bytes: Vec::new(), blank: true, limits: false }
    }

    /// The text itself.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether the file goes on after the opening.
    pub fn is_cut(&self) -> bool {
        self.cut
    }

    /// Takes the next bytes of the file, of which there may be any number of blank lines before the header.
    fn feed(&mut self, mut bytes: &[u8]) {
        if self.blank {
            let text_at = bytes.iter().position(|byte| !byte.is_ascii_whitespace());
            self.blank = text_at.is_none();
            let (white, _) = bytes.split_at(text_at.unwrap_or(bytes.len()));
            if let Some(line_end) = white.iter().rposition(|byte| matches!(byte, b'\n' | b'\r')) {
                self.bytes.clear();
                self.cut = false;
                bytes = bytes.get(line_end + 1..).unwrap_or_default();
            }
        }
        let room = OPENING_BYTES.saturating_sub(self.bytes.len());
        let kept = bytes.get(..room).unwrap_or(bytes);
        self.bytes.extend_from_slice(kept);
        self.cut |= kept.len() < bytes.len();
    }

    fn is_full(&self) -> bool {
        self.cut && !self.blank
    }

    /// The opening of a file that was fed as Windows-1252.
    fn decoded_as_windows_1252(self) -> Opening {
        let (text, _) = WINDOWS_1252.decode_without_bom_handling(&self.bytes);
        Opening { bytes: text.into_owned().into_bytes(), ..self }
    }

    /// The opening of a file that has been read. One of nothing but white space has no header line, however long it
    /// is; one that was cut within a character ends before that.
    fn ended(mut self) -> Opening {
        if self.blank {
            self.bytes.clear();
            self.cut = false;
        }
        if let Err(error) = std::str::from_utf8(&self.bytes) {
            self.bytes.truncate(error.valid_up_to());
        }
        self
    }
}

/// Reads the whole file: its encoding, which decodes all of it, and its opening.
pub fn scan(mut source: impl Read, charset: Option<&str>) -> Result<(&'static Encoding, Opening), ReadError> {
    let declared = charset.filter(|label| !label.trim().is_empty()).map(encoding_of_label).transpose()?;
    let mut start = [0; UTF_8_MARK.len()];
    let length = fill(&mut source, &mut start)?;
    let start = start.get(..length).unwrap_or_default();
    let marked = Encoding::for_bom(start).map(|(encoding, _)| encoding);

    let (encoding, basis) = match (declared, marked) {
        // “utf-16” leaves the order of the bytes to the mark, and who names an order is sooner wrong than the mark.
        (Some(declared), Some(marked)) if is_utf_16(declared) && is_utf_16(marked) => {
            (Some(marked), Basis::CharsetParameter)
        }
        (Some(declared), _) => (Some(declared), Basis::CharsetParameter),
        (None, marked) => (marked, Basis::ByteOrderMark),
    };
    let undecodable = |encoding: &'static Encoding, offset| Refusal::Undecodable {
        encoding: encoding.name(),
        basis,
        offset,
    };

    let mut opening = Opening::new();
    let encoding = match encoding {
        None => {
            let mut source = start.chain(source);
            if first_invalid_utf_8(&mut source, &mut opening)?.is_none() {
                UTF_8
            } else {
                // Every byte is a character of it: no more of the file need be read than the header line.
                fill_opening(&mut source, &mut opening)?;
                opening = opening.decoded_as_windows_1252();
                WINDOWS_1252
            }
        }
        Some(encoding) if encoding == UTF_8 => {
            let text = start.strip_prefix(UTF_8_MARK).unwrap_or(start);
            let skipped = (start.len() - text.len()) as u64;
            if let Some(offset) = first_invalid_utf_8(&mut text.chain(source), &mut opening)? {
                return Err(undecodable(encoding, skipped + offset).into());
            }
            encoding
        }
        Some(encoding) if encoding == WINDOWS_1252 => {
            fill_opening(&mut start.chain(source), &mut opening)?;
            opening = opening.decoded_as_windows_1252();
            encoding
        }
        Some(encoding) => {
            let mut text = Text::new(start.chain(source), encoding);
            loop {
                let block = text.fill_buf().map_err(|error| match Malformed::offset_of(&error) {
                    Some(offset) => undecodable(encoding, offset).into(),
                    None => ReadError::Io(error),
                })?;
                if block.is_empty() {
                    break;
                }
                opening.feed(block);
                let length = block.len();
                text.consume(length);
            }
            encoding
        }
    };
    Ok((encoding, opening.ended()))
}

fn encoding_of_label(label: &str) -> Result<&'static Encoding, Refusal> {
    Encoding::for_label_no_replacement(label.as_bytes())
        .ok_or_else(|| Refusal::UnknownCharset(header::printable(label.trim(), 40)))
}

fn is_utf_16(encoding: &'static Encoding) -> bool {
    encoding == UTF_16LE || encoding == UTF_16BE
}

/// Reads until `source` ends or is no valid UTF-8, and then says where. What was read has been fed to `opening`.
fn first_invalid_utf_8(source: &mut impl Read, opening: &mut Opening) -> io::Result<Option<u64>> {
    let mut block = vec![0; BLOCK_BYTES];
    // The first bytes of a character whose rest comes with the next block.
    let mut carried = 0;
    let mut offset = 0;
    loop {
        let space = block.get_mut(carried..).unwrap_or_default();
        let room = space.len();
        let length = fill(source, space)?;
        let last = length < room;
        opening.feed(space.get(..length).unwrap_or_default());
        let filled = carried + length;
        let valid = match std::str::from_utf8(block.get(..filled).unwrap_or_default()) {
            Ok(_) => filled,
            Err(error) if error.error_len().is_none() && !last => error.valid_up_to(),
            Err(error) => return Ok(Some(offset + error.valid_up_to() as u64)),
        };
        if last {
            return Ok(None);
        }
        block.copy_within(valid..filled, 0);
        carried = filled - valid;
        offset += valid as u64;
    }
}

/// Reads on until `opening` holds all that it can.
fn fill_opening(source: &mut impl Read, opening: &mut Opening) -> io::Result<()> {
    let mut block = vec![0; BLOCK_BYTES];
    while !opening.is_full() {
        let length = fill(source, &mut block)?;
        opening.feed(block.get(..length).unwrap_or_default());
        if length < block.len() {
            break;
        }
    }
    Ok(())
}

/// Reads until `block` is full or `source` ends: fewer bytes than `block` holds mean the end.
pub(super) fn fill(source: &mut impl Read, block: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(space) = block.get_mut(filled..).filter(|space| !space.is_empty()) {
        match source.read(space) {
            Ok(0) => break,
            Ok(length) => filled += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// A file's text as UTF-8, without its byte-order mark. UTF-8 passes through as it is: the survey has found it valid.
///
/// Must not be read on after an error.
#[derive(Debug)]
pub struct Text<R> {
    source: R,
    /// None for UTF-8.
    decoder: Option<Decoder>,
    raw: Block,
    /// Bytes of the file before those in `raw`.
    raw_offset: u64,
    decoded: Block,
    state: State,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Untouched,
    Reading,
    /// The source has ended; the decoder may hold more.
    SourceEnded,
    Ended,
}

/// A buffer of which a part is filled, and of that a part was used.
#[derive(Debug)]
struct Block {
    bytes: Box<[u8]>,
    used: usize,
    filled: usize,
}

impl Block {
    fn new(length: usize) -> Block {
        Block { bytes: vec![0; length].into_boxed_slice(), used: 0, filled: 0 }
    }

    fn unused(&self) -> &[u8] {
        self.bytes.get(self.used..self.filled).unwrap_or_default()
    }

    fn is_used_up(&self) -> bool {
        self.used >= self.filled
    }
}

impl<R: Read> Text<R> {
    /// The text of `source`, which is in `encoding`.
    pub fn new(source: R, encoding: &'static Encoding) -> Text<R> {
        let plain = encoding == UTF_8;
        Text {
            source,
            decoder: (!plain).then(|| encoding.new_decoder_with_bom_removal()),
            raw: Block::new(BLOCK_BYTES),
            raw_offset: 0,
            decoded: Block::new(if plain { 0 } else { BLOCK_BYTES }),
            state: State::Untouched,
        }
    }

    fn fill_raw(&mut self) -> io::Result<()> {
        self.raw_offset += self.raw.filled as u64;
        (self.raw.used, self.raw.filled) = (0, 0);
        self.raw.filled = fill(&mut self.source, &mut self.raw.bytes)?;
        if self.state == State::Untouched
            && self.decoder.is_none()
            && self.raw.unused().starts_with(UTF_8_MARK)
        {
            self.raw.used = UTF_8_MARK.len();
        }
        let ended = self.raw.filled < self.raw.bytes.len();
        self.state = if ended { State::SourceEnded } else { State::Reading };
        Ok(())
    }
}

impl<R: Read> BufRead for Text<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.decoder.is_none() {
            while self.raw.is_used_up() && matches!(self.state, State::Untouched | State::Reading) {
                self.fill_raw()?;
            }
            return Ok(self.raw.unused());
        }
        while self.decoded.is_used_up() && self.state != State::Ended {
            if self.raw.is_used_up() && self.state != State::SourceEnded {
                self.fill_raw()?;
            }
            let Some(decoder) = &mut self.decoder else { break };
            let last = self.state == State::SourceEnded;
            let (result, read, written) =
                decoder.decode_to_utf8_without_replacement(self.raw.unused(), &mut self.decoded.bytes, last);
            self.raw.used += read;
            (self.decoded.used, self.decoded.filled) = (0, written);
            match result {
                DecoderResult::InputEmpty if last => self.state = State::Ended,
                DecoderResult::InputEmpty | DecoderResult::OutputFull => {}
                DecoderResult::Malformed(length, after) => {
                    let behind = u64::from(length) + u64::from(after);
                    let offset = (self.raw_offset + self.raw.used as u64).saturating_sub(behind);
                    return Err(io::Error::new(io::ErrorKind::InvalidData, Malformed { offset }));
                }
            }
        }
        Ok(self.decoded.unused())
    }

    fn consume(&mut self, amount: usize) {
        let block = if self.decoder.is_none() { &mut self.raw } else { &mut self.decoded };
        block.used = (block.used + amount).min(block.filled);
    }
}

impl<R: Read> Read for Text<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut block = self.fill_buf()?;
        let length = block.read(buffer)?;
        self.consume(length);
        Ok(length)
    }
}

/// Bytes that are no character of the file's encoding.
#[derive(Debug, thiserror::Error)]
#[error("the bytes at offset {offset} are not a character of the file's encoding")]
struct Malformed {
    offset: u64,
}

impl Malformed {
    fn offset_of(error: &io::Error) -> Option<u64> {
        Some(error.get_ref()?.downcast_ref::<Malformed>()?.offset)
    }
}
