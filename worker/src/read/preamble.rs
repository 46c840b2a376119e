//! Lines that tools write before the header line: `sep=;` tells Excel the delimiter, and PowerShell's `Export-Csv` writes
//! `#TYPE …` with the type of the objects.

use super::delimiter::Delimiter;
use super::line::{first_line, is_blank_line};
use super::refusal::{FileRefusal, printable};

/// The lines before the header line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Preamble {
    /// How many of its lines are not blank.
    pub lines: usize,
    /// The delimiter that it names.
    pub delimiter: Option<Delimiter>,
    /// How many bytes it takes, blank lines and line ends included.
    pub bytes: usize,
}

impl Preamble {
    /// Reads the preamble at the start of a file, if it has one.
    pub fn read(opening: &[u8]) -> Result<Preamble, FileRefusal> {
        let mut preamble = Preamble::default();
        let mut at = 0;
        while let Some((line, length)) = first_line(opening.get(at..).unwrap_or_default()) {
            at += length;
            if is_blank_line(line) {
                continue;
            }
            match PreambleLine::of(line) {
                None => break,
                Some(PreambleLine::Type | PreambleLine::Separator(None)) => {}
                Some(PreambleLine::Separator(Some(separator))) => match Delimiter::of_char(separator) {
                    Some(delimiter) => preamble.delimiter = Some(delimiter),
                    None => {
                        return Err(FileRefusal::UnknownSeparator(printable(&separator.to_string(), 1)));
                    }
                },
            }
            preamble.lines += 1;
            preamble.bytes = at;
        }
        Ok(preamble)
    }
}

enum PreambleLine {
    /// `#TYPE …`
    Type,
    /// `sep=` and what follows it.
    Separator(Option<char>),
}

impl PreambleLine {
    fn of(line: &[u8]) -> Option<PreambleLine> {
        let line = line.trim_ascii_start();
        if line.get(..6).is_some_and(|start| start.eq_ignore_ascii_case(b"#type ")) {
            return Some(PreambleLine::Type);
        }
        let unquoted = match line.trim_ascii_end() {
            [b'"', inner @ .., b'"'] => inner,
            _ => line,
        };
        if !unquoted.get(..4)?.eq_ignore_ascii_case(b"sep=") {
            return None;
        }
        let text = std::str::from_utf8(unquoted.get(4..)?).ok()?;
        let mut characters = text.chars();
        let separator = characters.next();
        // Anything more is a column's name that happens to begin like this. Spreadsheets fill up the line with delimiters.
        let rest = characters.as_str();
        (rest.trim().is_empty() || rest.chars().all(|c| Some(c) == separator))
            .then_some(PreambleLine::Separator(separator.filter(|c| *c != ' ')))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (usize, Option<Delimiter>, &str) {
        let preamble = Preamble::read(text.as_bytes()).expect("a known separator");
        (preamble.lines, preamble.delimiter, &text[preamble.bytes..])
    }

    #[test]
    fn lines_of_tools_are_no_header() {
        let semicolon = Some(Delimiter::Semicolon);
        assert_eq!(read("sep=;\r\nusername;a\r\n"), (1, semicolon, "username;a\r\n"));
        assert_eq!(read("\n\n\"SEP=;\"\nusername"), (1, semicolon, "username"));
        assert_eq!(read("sep=;;;;\nusername"), (1, semicolon, "username"));
        assert_eq!(read("sep=\t\nusername"), (1, Some(Delimiter::Tab), "username"));
        assert_eq!(read("sep=\nusername"), (1, None, "username"));
        assert_eq!(read("#TYPE System.Object\rsep=,\rusername"), (2, Some(Delimiter::Comma), "username"));
        assert_eq!(read("#type x\n\nusername"), (1, None, "\nusername"));
        assert_eq!(read("sep=;"), (1, semicolon, ""));
    }

    #[test]
    fn other_lines_are_headers() {
        for text in ["", "username\n", "separator,a\n", "sep=eparate,username\n", "#TYPED\n", "sep\n", "se"] {
            assert_eq!(read(text), (0, None, text), "{text:?}");
        }
    }

    #[test]
    fn an_unknown_separator_is_named() {
        let refusal = Preamble::read(b"sep=|\nusername|a\n").expect_err("it is unknown").to_string();
        assert!(refusal.contains("“|”"), "{refusal}");
    }
}
