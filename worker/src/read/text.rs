//! Bytes in some encoding → text in UTF-8.

use std::io::{self, BufRead, Read};

use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8};

/// How much is read at a time.
pub(super) const BLOCK_BYTES: usize = 64 * 1024;

pub(super) const UTF_8_MARK: &[u8] = b"\xEF\xBB\xBF";

/// A file's text as UTF-8, without its byte-order mark. UTF-8 passes through unchanged: detection has found it valid.
///
/// After an error it must not be read any further.
#[derive(Debug)]
pub struct Text<R> {
    source: R,
    /// `None` for UTF-8.
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

/// A buffer that is filled up to `filled`, of which the bytes before `used` have been consumed.
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
                    let consumed = u64::from(length) + u64::from(after);
                    let offset = (self.raw_offset + self.raw.used as u64).saturating_sub(consumed);
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

/// Bytes that are not a character of the file's encoding.
#[derive(Debug, thiserror::Error)]
#[error("the bytes at offset {offset} are not a character of the file's encoding")]
pub(super) struct Malformed {
    offset: u64,
}

impl Malformed {
    pub(super) fn offset_of(error: &io::Error) -> Option<u64> {
        Some(error.get_ref()?.downcast_ref::<Malformed>()?.offset)
    }
}

/// Reads until `block` is full or `source` ends: a return value smaller than `block` means the end.
pub fn fill(source: &mut impl Read, block: &mut [u8]) -> io::Result<usize> {
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
