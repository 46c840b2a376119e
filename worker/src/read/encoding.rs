//! Detects the encoding of a file.
//!
//! In this order (contract, §3): a `charset` parameter, a byte-order mark, UTF-8 if the whole file is valid UTF-8,
//! Windows-1252. Only the whole file can tell the last two apart, so detection reads the file once on its own. A file
//! that declares an encoding must be in that encoding; otherwise names would be imported with replacement characters in
//! them, unnoticed.

use std::io::{self, BufRead as _, Read};

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use super::opening::Opening;
use super::refusal::{Basis, FileRefusal, ReadError, printable};
use super::text::{BLOCK_BYTES, Malformed, Text, UTF_8_MARK, fill};

/// Reads the whole file. Returns its encoding, which decodes all of it, and its opening.
pub(super) fn detect(
    mut source: impl Read,
    charset: Option<&str>,
) -> Result<(&'static Encoding, Opening), ReadError> {
    let declared = charset.filter(|label| !label.trim().is_empty()).map(encoding_of_label).transpose()?;
    let mut start = [0; UTF_8_MARK.len()];
    let length = fill(&mut source, &mut start)?;
    let start = start.get(..length).unwrap_or_default();
    let marked = Encoding::for_bom(start).map(|(encoding, _)| encoding);

    let (encoding, basis) = match (declared, marked) {
        // “utf-16” leaves the byte order to the mark; where a label names a byte order, the mark is more reliable.
        (Some(declared), Some(marked)) if is_utf_16(declared) && is_utf_16(marked) => {
            (Some(marked), Basis::CharsetParameter)
        }
        (Some(declared), _) => (Some(declared), Basis::CharsetParameter),
        (None, marked) => (marked, Basis::ByteOrderMark),
    };
    let undecodable = |encoding: &'static Encoding, offset| FileRefusal::Undecodable {
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
                // Every byte is a valid character: only the header line still has to be read.
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

fn encoding_of_label(label: &str) -> Result<&'static Encoding, FileRefusal> {
    Encoding::for_label_no_replacement(label.as_bytes())
        .ok_or_else(|| FileRefusal::UnknownCharset(printable(label.trim(), 40)))
}

fn is_utf_16(encoding: &'static Encoding) -> bool {
    encoding == UTF_16LE || encoding == UTF_16BE
}

/// Reads until `source` ends or is not valid UTF-8; then returns the offset. What was read has been fed to `opening`.
fn first_invalid_utf_8(source: &mut impl Read, opening: &mut Opening) -> io::Result<Option<u64>> {
    let mut block = vec![0; BLOCK_BYTES];
    // The first bytes of a character that the next block completes.
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

/// Continues to read until `opening` is full.
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
