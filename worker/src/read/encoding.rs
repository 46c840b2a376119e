//! Detects the encoding of a file.
//!
//! In this order (contract, §3): a byte-order mark, a `charset` parameter, UTF-16 that shows by its zero bytes, and then
//! UTF-8 or Windows-1252, whichever most of the file's characters beyond ASCII speak for. Only the whole file can tell the
//! last two apart, so detection reads the file once on its own. A single damaged byte decides nothing.

use std::io::{self, BufRead as _, Read};

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use super::opening::Opening;
use super::refusal::{Basis, FileRefusal, ReadError, printable};
use super::text::{BLOCK_BYTES, Malformed, Text, fill};

/// How much of a file shows whether it is UTF-16.
const SAMPLE_BYTES: usize = 1024;

/// What a file is in.
pub(super) struct DetectedEncoding {
    /// Decodes all of the file, except that UTF-8 may have malformed rows.
    pub encoding: &'static Encoding,
    /// Nothing names Windows-1252; the file is not UTF-8.
    pub is_fallback: bool,
    pub opening: Opening,
}

/// Detects the encoding of a file, and reads its opening.
pub(super) fn detect(mut source: impl Read, charset: Option<&str>) -> Result<DetectedEncoding, ReadError> {
    let mut sample = [0; SAMPLE_BYTES];
    let length = fill(&mut source, &mut sample)?;
    let sample = &sample[..length];
    let source = sample.chain(source);

    let (encoding, basis) = if let Some((encoding, _)) = Encoding::for_bom(sample) {
        (encoding, Basis::ByteOrderMark)
    } else if let Some(encoding) = charset.map(encoding_of_label).transpose()?.flatten() {
        (encoding, Basis::CharsetParameter)
    } else if let Some(encoding) = evident_utf_16(sample) {
        (encoding, Basis::ZeroBytes)
    } else {
        return weigh(source);
    };
    let mut opening = Opening::new();
    if encoding == UTF_8 {
        fill_opening(source, &mut opening)?;
        opening = opening.decoded_as_utf_8();
    } else if encoding == WINDOWS_1252 {
        fill_opening(source, &mut opening)?;
        opening = opening.decoded_as_windows_1252();
    } else {
        decode_all(source, encoding, basis, &mut opening)?;
    }
    Ok(DetectedEncoding { encoding, is_fallback: false, opening: opening.ended() })
}

/// The encoding that a `charset` parameter names. `None` if it is a word for “not known”.
fn encoding_of_label(label: &str) -> Result<Option<&'static Encoding>, FileRefusal> {
    /// What tools write that did not look, or saw no more than that a file is not ASCII. ASCII itself is among them: it is
    /// part of every encoding in question, so its name says nothing about the other characters.
    const NAMELESS: [&str; 13] = [
        "",
        "binary",
        "8bit",
        "7bit",
        "none",
        "unknown",
        "unknown-8bit",
        "x-unknown",
        "default",
        "auto",
        "us-ascii",
        "ascii",
        "ansi_x3.4-1968",
    ];
    let label = label.trim();
    if NAMELESS.iter().any(|nameless| label.eq_ignore_ascii_case(nameless)) {
        return Ok(None);
    }
    match Encoding::for_label_no_replacement(label.as_bytes()) {
        Some(encoding) => Ok(Some(encoding)),
        None => Err(FileRefusal::UnknownCharset(printable(label, 40))),
    }
}

/// The byte order of a text that is plainly UTF-16: the high byte of most characters of its first line is zero, as it is in
/// the names of columns.
fn evident_utf_16(sample: &[u8]) -> Option<&'static Encoding> {
    [(UTF_16LE, 0), (UTF_16BE, 1)].into_iter().find_map(|(encoding, low)| {
        let is_line_end = |unit: &&[u8]| matches!(unit[low], b'\n' | b'\r') && unit[1 - low] == 0;
        let units = sample.chunks_exact(2).skip_while(is_line_end);
        let line: Vec<&[u8]> = units.take_while(|unit| !is_line_end(unit)).collect();
        let zeros = |byte: usize| line.iter().filter(|unit| unit[byte] == 0).count();
        let is_plain = line.len() >= 2 && 2 * zeros(1 - low) > line.len() && 8 * zeros(low) < line.len();
        is_plain.then_some(encoding)
    })
}

/// Reads the whole file and takes it for Windows-1252 only if fewer than half of its sequences beyond ASCII are valid UTF-8.
fn weigh(mut source: impl Read) -> Result<DetectedEncoding, ReadError> {
    let mut opening = Opening::new();
    let mut sequences = Sequences::default();
    let mut block = vec![0; BLOCK_BYTES];
    // The first bytes of a character that the next block completes.
    let mut carried = 0;
    loop {
        let space = &mut block[carried..];
        let room = space.len();
        let length = fill(&mut source, space)?;
        opening.feed(&space[..length]);
        let is_last = length < room;
        let filled = carried + length;
        carried = sequences.count(&block[..filled], is_last);
        if is_last {
            break;
        }
        block.copy_within(filled - carried..filled, 0);
    }
    let is_fallback = 2 * sequences.valid < sequences.valid + sequences.invalid;
    let (encoding, opening) = if is_fallback {
        (WINDOWS_1252, opening.decoded_as_windows_1252())
    } else {
        (UTF_8, opening.decoded_as_utf_8())
    };
    Ok(DetectedEncoding { encoding, is_fallback, opening: opening.ended() })
}

/// How many sequences of bytes beyond ASCII are characters of UTF-8, and how many are not.
#[derive(Default)]
struct Sequences {
    valid: u64,
    invalid: u64,
}

impl Sequences {
    /// Counts those of a block. Returns the length of an incomplete character at its end, unless it is the last block.
    fn count(&mut self, mut block: &[u8], is_last: bool) -> usize {
        loop {
            let (valid, error) = match std::str::from_utf8(block) {
                Ok(_) => (block.len(), None),
                Err(error) => (error.valid_up_to(), Some(error)),
            };
            // Every character beyond ASCII has one first byte, and that is 0xC2 or above.
            self.valid += count_first_bytes(&block[..valid]);
            let Some(error) = error else { return 0 };
            let rest = block.len() - valid;
            let length = match error.error_len() {
                None if !is_last => return rest,
                None => rest,
                Some(length) => length,
            };
            self.invalid += 1;
            block = &block[valid + length..];
        }
    }
}

/// How many bytes begin a character beyond ASCII. In groups whose count fits a byte, so that it is computed for many bytes at
/// a time.
fn count_first_bytes(text: &[u8]) -> u64 {
    text.chunks(128)
        .map(|group| u64::from(group.iter().map(|byte| u8::from(*byte >= 0xC0)).sum::<u8>()))
        .sum()
}

/// Decodes the whole file, because in an encoding other than these a malformed character is the file's fault.
fn decode_all(
    source: impl Read,
    encoding: &'static Encoding,
    basis: Basis,
    opening: &mut Opening,
) -> Result<(), ReadError> {
    let mut text = Text::new(source, encoding);
    loop {
        let block = text.fill_buf().map_err(|error| match Malformed::offset_of(&error) {
            Some(offset) => FileRefusal::Undecodable { encoding: encoding.name(), basis, offset }.into(),
            None => ReadError::Io(error),
        })?;
        if block.is_empty() {
            return Ok(());
        }
        opening.feed(block);
        let length = block.len();
        text.consume(length);
    }
}

/// Reads until `opening` is full.
fn fill_opening(mut source: impl Read, opening: &mut Opening) -> io::Result<()> {
    let mut block = vec![0; BLOCK_BYTES];
    while !opening.is_full() {
        let length = fill(&mut source, &mut block)?;
        opening.feed(&block[..length]);
        if length < block.len() {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weighed(bytes: &[u8]) -> (u64, u64) {
        let mut sequences = Sequences::default();
        assert_eq!(sequences.count(bytes, true), 0);
        (sequences.valid, sequences.invalid)
    }

    #[test]
    fn sequences_are_counted_as_a_decoder_sees_them() {
        for (bytes, expected) in [
            (&b"plain"[..], (0, 0)),
            ("øåØ 李 😀".as_bytes(), (5, 0)),
            (b"M\xFCller", (0, 1)),
            (b"\xE9\xE9", (0, 2)),
            // A character that lost its last byte is one sequence, whatever follows.
            (b"Dal\xC3", (0, 1)),
            (b"\xE6\x9D,", (0, 1)),
            (b"\xC3\xB8\xC3", (1, 1)),
        ] {
            assert_eq!(weighed(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn half_of_the_sequences_are_enough_for_utf_8() {
        let encoding = |bytes: &[u8]| weigh(bytes).expect("memory can be read").encoding;
        assert_eq!(encoding(b"\xC3\xB8 \xFC"), UTF_8);
        assert_eq!(encoding(b"\xC3\xB8 \xFC \xFC"), WINDOWS_1252);
        assert_eq!(encoding(b"\xFC"), WINDOWS_1252);
        assert_eq!(encoding(b""), UTF_8);
    }

    #[test]
    fn utf_16_shows_by_its_zero_bytes() {
        let le = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
        let be = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<_>>();
        for text in ["username,enabled\r\n", "username;Größe;Łódź", "ab", "username\n山田太郎\n山田花子\n"]
        {
            assert_eq!(evident_utf_16(&le(text)), Some(UTF_16LE), "{text}");
            assert_eq!(evident_utf_16(&be(text)), Some(UTF_16BE), "{text}");
        }
        for bytes in [&b""[..], b"a\0", b"username", b"\0\0\0\0\0\0", b"username\0\0\0\0\0\0\0\0\0\0\0\0"] {
            assert_eq!(evident_utf_16(bytes), None, "{bytes:?}");
        }
    }
}
