//! Text → bytes.

use crate::oracle::encoding::{Encoding, WINDOWS_1252_80_TO_9F};

/// A character that the encoding lacks becomes a question mark.
pub fn encode(text: &str, encoding: Encoding) -> Vec<u8> {
    match encoding {
        Encoding::Utf8 => text.as_bytes().to_vec(),
        Encoding::Utf16Le => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        Encoding::Utf16Be => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        Encoding::Windows1252 => text.chars().map(windows_1252).collect(),
    }
}

fn windows_1252(c: char) -> u8 {
    let high = (0x80..=0x9F).zip(WINDOWS_1252_80_TO_9F).find(|(_, known)| *known == c);
    match (high, u8::try_from(u32::from(c))) {
        (Some((byte, _)), _) => byte,
        (None, Ok(byte)) if !(0x80..=0x9F).contains(&byte) => byte,
        _ => b'?',
    }
}
