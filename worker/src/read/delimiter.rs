//! Detects which delimiter a file uses.
//!
//! Only the header line decides: cells contain commas and semicolons of their own, column names hardly ever do.

use std::fmt;

use super::line::{first_line, is_blank_line};

/// What separates the cells of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delimiter {
    /// `,`
    Comma,
    /// `;`, which Excel writes where the comma is the decimal sign.
    Semicolon,
    /// A tab.
    Tab,
}

impl Delimiter {
    /// The delimiter that occurs most often in the header line, outside quotes; on a tie comma, then semicolon. The
    /// header line is the first line of `opening` that is not blank.
    pub fn of_opening(opening: &[u8]) -> Delimiter {
        let (mut commas, mut semicolons, mut tabs) = (0_usize, 0_usize, 0_usize);
        let mut quoted = false;
        // A quote inside a cell is an ordinary character, as it is to `Records`.
        let mut at_cell_start = true;
        let mut bytes = header_line(opening).iter().copied().peekable();
        while let Some(byte) = bytes.next() {
            if quoted {
                if byte == b'"' && bytes.next_if_eq(&b'"').is_none() {
                    quoted = false;
                }
                continue;
            }
            match byte {
                b'\n' | b'\r' => break,
                b'"' if at_cell_start => quoted = true,
                b',' => commas += 1,
                b';' => semicolons += 1,
                b'\t' => tabs += 1,
                _ => {}
            }
            // A blank before a quote belongs to the quote.
            at_cell_start = matches!(byte, b',' | b';' | b'\t') || at_cell_start && byte == b' ';
        }
        if tabs > commas && tabs > semicolons {
            Delimiter::Tab
        } else if semicolons > commas {
            Delimiter::Semicolon
        } else {
            Delimiter::Comma
        }
    }

    /// The delimiter that this character is.
    pub const fn of_char(c: char) -> Option<Delimiter> {
        match c {
            ',' => Some(Delimiter::Comma),
            ';' => Some(Delimiter::Semicolon),
            '\t' => Some(Delimiter::Tab),
            _ => None,
        }
    }

    pub const fn byte(self) -> u8 {
        match self {
            Delimiter::Comma => b',',
            Delimiter::Semicolon => b';',
            Delimiter::Tab => b'\t',
        }
    }

    /// The name that is stored with the import.
    pub const fn name(self) -> &'static str {
        match self {
            Delimiter::Comma => "comma",
            Delimiter::Semicolon => "semicolon",
            Delimiter::Tab => "tab",
        }
    }
}

impl fmt::Display for Delimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// All of `opening` from its first line that is not blank.
fn header_line(opening: &[u8]) -> &[u8] {
    let mut rest = opening;
    while let Some((line, length)) = first_line(rest) {
        if !is_blank_line(line) || length == rest.len() {
            break;
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_line_decides() {
        let cases: [(&str, Delimiter); 16] = [
            ("", Delimiter::Comma),
            ("username", Delimiter::Comma),
            ("username,enabled\na;b;c;d", Delimiter::Comma),
            ("username;enabled\na,b,c,d", Delimiter::Semicolon),
            ("username\tenabled\ra,b,c,d", Delimiter::Tab),
            ("a,b;c", Delimiter::Comma),
            ("a;b\tc", Delimiter::Semicolon),
            ("a,b\tc", Delimiter::Comma),
            ("a,b;c\td", Delimiter::Comma),
            ("a,b;c\td\te", Delimiter::Tab),
            ("\"a,b,c\";d", Delimiter::Semicolon),
            ("\"a \"\",,,\"\" b\";d", Delimiter::Semicolon),
            ("\"a\n,,,\n\";d", Delimiter::Semicolon),
            ("\n \t\t\t\r\n\u{A0}\u{3000}\n,,,,\n\t\t\nusername;b\n", Delimiter::Semicolon),
            ("5\" disk;a", Delimiter::Semicolon),
            ("\"never closed;;;", Delimiter::Comma),
        ];
        for (text, expected) in cases {
            assert_eq!(Delimiter::of_opening(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_do_no_harm() {
        assert_eq!(Delimiter::of_opening(b"\xFF\xFE;\x00\n"), Delimiter::Semicolon);
    }
}
