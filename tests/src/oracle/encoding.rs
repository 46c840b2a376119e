//! Bytes → text (§3). A byte-order mark decides the encoding, else a `charset` parameter that names one, else UTF-16 where
//! it is plain to see, else the weight of what is not ASCII: Windows-1252 if fewer than half of it are valid UTF-8. The
//! labels and the table are those of the WHATWG Encoding Standard.

use std::collections::BTreeSet;

/// The characters of bytes 0x80–0x9F in Windows-1252. Every other byte is the code point with the same number.
pub const WINDOWS_1252_80_TO_9F: [char; 32] = [
    '\u{20AC}', '\u{81}', '\u{201A}', '\u{0192}', '\u{201E}', '\u{2026}', '\u{2020}', '\u{2021}', '\u{02C6}',
    '\u{2030}', '\u{0160}', '\u{2039}', '\u{0152}', '\u{8D}', '\u{017D}', '\u{8F}', '\u{90}', '\u{2018}',
    '\u{2019}', '\u{201C}', '\u{201D}', '\u{2022}', '\u{2013}', '\u{2014}', '\u{02DC}', '\u{2122}',
    '\u{0161}', '\u{203A}', '\u{0153}', '\u{9D}', '\u{017E}', '\u{0178}',
];

/// The encodings an upload may be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Utf8,
    Utf16Le,
    Utf16Be,
    Windows1252,
}

/// A decoded file without its byte-order mark.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text {
    pub chars: Vec<char>,
    /// Where U+FFFD stands for bytes that are not UTF-8.
    pub invalid: BTreeSet<usize>,
}

impl Encoding {
    /// The encoding that a `charset` parameter names, or `None` for a label that names none. The standard's other encodings
    /// are not modelled. The error is the reason why the file cannot be decoded.
    pub fn for_label(label: &str) -> Result<Option<Self>, String> {
        Ok(Some(match label.trim().to_ascii_lowercase().as_str() {
            "" | "binary" | "8bit" | "7bit" | "none" | "unknown" | "unknown-8bit" | "x-unknown"
            | "default" | "auto" | "us-ascii" | "ascii" | "ansi_x3.4-1968" => return Ok(None),
            "utf-8" | "utf8" | "unicode-1-1-utf-8" | "unicode11utf8" | "unicode20utf8"
            | "x-unicode20utf8" => Self::Utf8,
            "utf-16" | "utf-16le" | "csunicode" | "iso-10646-ucs-2" | "ucs-2" | "unicode" | "unicodefeff" => {
                Self::Utf16Le
            }
            "utf-16be" | "unicodefffe" => Self::Utf16Be,
            "windows-1252" | "x-cp1252" | "cp1252" | "iso-8859-1" | "iso8859-1" | "iso88591"
            | "iso_8859-1" | "iso_8859-1:1987" | "iso-ir-100" | "latin1" | "l1" | "cp819" | "ibm819"
            | "csisolatin1" => Self::Windows1252,
            _ => return Err("The charset is unknown.".to_owned()),
        }))
    }

    /// The encoding that a byte-order mark gives, and the mark's length.
    fn from_byte_order_mark(bytes: &[u8]) -> Option<(Self, usize)> {
        match bytes {
            [0xEF, 0xBB, 0xBF, ..] => Some((Self::Utf8, 3)),
            [0xFF, 0xFE, ..] => Some((Self::Utf16Le, 2)),
            [0xFE, 0xFF, ..] => Some((Self::Utf16Be, 2)),
            _ => None,
        }
    }

    /// The encoding of a file that nothing declares.
    pub fn by_weight(bytes: &[u8]) -> Self {
        for (encoding, high, low) in [(Self::Utf16Le, 1, 0), (Self::Utf16Be, 0, 1)] {
            let is_line_end = |unit: &&[u8]| unit[high] == 0 && matches!(unit[low], b'\n' | b'\r');
            let units = bytes.chunks_exact(2).take(512).skip_while(is_line_end);
            // Its first line: the names of columns are ASCII.
            let line: Vec<&[u8]> = units.take_while(|unit| !is_line_end(unit)).collect();
            let zeros = |at: usize| line.iter().filter(|unit| unit[at] == 0).count();
            if line.len() >= 2 && zeros(high) * 2 > line.len() && zeros(low) * 8 < line.len() {
                return encoding;
            }
        }
        let (mut valid, mut invalid) = (0, 0);
        for chunk in bytes.utf8_chunks() {
            valid += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
            invalid += usize::from(!chunk.invalid().is_empty());
        }
        if valid < invalid { Self::Windows1252 } else { Self::Utf8 }
    }
}

/// Decodes a file. The error is the reason why it cannot be decoded.
pub fn decode(bytes: &[u8], charset: Option<&str>) -> Result<Text, String> {
    let (encoding, bytes) = match Encoding::from_byte_order_mark(bytes) {
        Some((encoding, length)) => (encoding, &bytes[length..]),
        None => match Encoding::for_label(charset.unwrap_or_default())? {
            Some(encoding) => (encoding, bytes),
            None => (Encoding::by_weight(bytes), bytes),
        },
    };
    let chars = match encoding {
        Encoding::Utf8 => return Ok(utf8(bytes)),
        Encoding::Utf16Le => utf16(bytes, u16::from_le_bytes),
        Encoding::Utf16Be => utf16(bytes, u16::from_be_bytes),
        Encoding::Windows1252 => Some(bytes.iter().map(|byte| windows_1252(*byte)).collect()),
    };
    let chars = chars.ok_or("The file is not encoded as its charset or byte-order mark says.")?;
    Ok(Text { chars, invalid: BTreeSet::new() })
}

/// Each ill-formed sequence becomes one U+FFFD.
fn utf8(bytes: &[u8]) -> Text {
    let mut text = Text::default();
    for chunk in bytes.utf8_chunks() {
        text.chars.extend(chunk.valid().chars());
        if !chunk.invalid().is_empty() {
            text.invalid.insert(text.chars.len());
            text.chars.push(char::REPLACEMENT_CHARACTER);
        }
    }
    text
}

fn windows_1252(byte: u8) -> char {
    match byte {
        0x80..=0x9F => WINDOWS_1252_80_TO_9F[usize::from(byte - 0x80)],
        _ => char::from(byte),
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<Vec<char>> {
    let mut units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    if !bytes.len().is_multiple_of(2) {
        return None;
    }
    let mut text = Vec::new();
    while let Some(first) = units.next() {
        let first = u32::from(first);
        let scalar = match first {
            0xD800..=0xDBFF => match units.next().map(u32::from) {
                Some(second @ 0xDC00..=0xDFFF) => 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00),
                _ => return None,
            },
            _ => first,
        };
        // A lone low surrogate is not a scalar value, so decoding fails here.
        text.push(char::from_u32(scalar)?);
    }
    Some(text)
}
