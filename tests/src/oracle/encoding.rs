//! Bytes → text (§3). The encoding is the one that the `charset` parameter names, else the one that a byte-order mark
//! gives, else UTF-8 if the whole file is valid UTF-8, else Windows-1252. The labels and the table are those of the WHATWG
//! Encoding Standard.

use std::borrow::Cow;

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

impl Encoding {
    /// The encoding that a `charset` parameter names. The standard's other encodings are not modelled.
    pub fn for_label(label: &str) -> Option<Self> {
        match label.trim().to_ascii_lowercase().as_str() {
            "utf-8" | "utf8" | "unicode-1-1-utf-8" | "unicode11utf8" | "unicode20utf8"
            | "x-unicode20utf8" => Some(Self::Utf8),
            "utf-16" | "utf-16le" | "csunicode" | "iso-10646-ucs-2" | "ucs-2" | "unicode" | "unicodefeff" => {
                Some(Self::Utf16Le)
            }
            "utf-16be" | "unicodefffe" => Some(Self::Utf16Be),
            "windows-1252" | "x-cp1252" | "cp1252" | "iso-8859-1" | "iso8859-1" | "iso88591"
            | "iso_8859-1" | "iso_8859-1:1987" | "iso-ir-100" | "latin1" | "l1" | "cp819" | "ibm819"
            | "csisolatin1" | "us-ascii" | "ascii" | "ansi_x3.4-1968" => Some(Self::Windows1252),
            _ => None,
        }
    }

    fn from_byte_order_mark(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0xEF, 0xBB, 0xBF, ..] => Some(Self::Utf8),
            [0xFF, 0xFE, ..] => Some(Self::Utf16Le),
            [0xFE, 0xFF, ..] => Some(Self::Utf16Be),
            _ => None,
        }
    }
}

/// Decodes a file and drops its byte-order mark. The error is the reason why the file cannot be decoded.
pub fn decode(bytes: &[u8], charset: Option<&str>) -> Result<String, String> {
    let encoding = match charset {
        Some(label) => Encoding::for_label(label).ok_or("The charset is unknown.")?,
        None => match Encoding::from_byte_order_mark(bytes) {
            Some(encoding) => encoding,
            None if std::str::from_utf8(bytes).is_ok() => Encoding::Utf8,
            None => Encoding::Windows1252,
        },
    };
    let text = match encoding {
        Encoding::Utf8 => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
        Encoding::Utf16Le => utf16(bytes, u16::from_le_bytes).map(Cow::Owned),
        Encoding::Utf16Be => utf16(bytes, u16::from_be_bytes).map(Cow::Owned),
        Encoding::Windows1252 => Some(Cow::Owned(bytes.iter().map(|byte| windows_1252(*byte)).collect())),
    };
    let text = text.ok_or("The file is not encoded as its charset or byte-order mark says.")?;
    Ok(text.strip_prefix('\u{FEFF}').unwrap_or(&text).to_owned())
}

fn windows_1252(byte: u8) -> char {
    match byte {
        0x80..=0x9F => WINDOWS_1252_80_TO_9F[usize::from(byte - 0x80)],
        _ => char::from(byte),
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<String> {
    let mut units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    if !bytes.len().is_multiple_of(2) {
        return None;
    }
    let mut text = String::new();
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
