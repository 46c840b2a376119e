//! The `Import-Warning` response header: what the sender of an import should know although no row failed for it.

use std::fmt::Write as _;

use axum::http::{HeaderMap, HeaderName, HeaderValue};

const IMPORT_WARNING: HeaderName = HeaderName::from_static("import-warning");
/// Maximum length of all lines of the header together. nginx reads the whole head of a response into 4 KiB.
const MAX_BYTES: usize = 2048;
/// Maximum length of a warning in the header. The list of imports has it in full.
const MAX_WARNING_BYTES: usize = 400;
/// What a line has besides its value: the name, a colon, a space, CR and LF.
const LINE_OVERHEAD: usize = "import-warning: \r\n".len();
/// Bytes for the last line, which counts the warnings that did not fit.
const LAST_LINE_BYTES: usize = 128;

/// A header line for each warning, as many as fit, and one that says how many more there are.
pub fn import_warnings(warnings: &[String]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut left = MAX_BYTES - LAST_LINE_BYTES;
    for (index, warning) in warnings.iter().enumerate() {
        let value = header_value(warning);
        let length = LINE_OVERHEAD + value.len();
        if length > left {
            let more = warnings.len() - index;
            let noun = if more == 1 { "warning" } else { "warnings" };
            let last = format!("{more} more {noun}: GET /api/import/jobs lists them all.");
            append(&mut headers, &last);
            break;
        }
        left -= length;
        append(&mut headers, &value);
    }
    headers
}

fn append(headers: &mut HeaderMap, value: &str) {
    let value = HeaderValue::try_from(value).expect("the value is printable ASCII");
    headers.append(IMPORT_WARNING, value);
}

/// The warning in printable ASCII: any other character, and the backslash, as JSON escapes it.
fn header_value(warning: &str) -> String {
    let mut value = String::with_capacity(warning.len());
    for character in warning.trim().chars() {
        let length = value.len();
        match character {
            '\\' => value.push_str("\\u005c"),
            ' '..='~' => value.push(character),
            _ => {
                let mut units = [0; 2];
                for unit in character.encode_utf16(&mut units) {
                    let _ = write!(value, "\\u{unit:04x}");
                }
            }
        }
        if value.len() > MAX_WARNING_BYTES - 3 {
            value.truncate(length);
            value.push_str("...");
            break;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(warnings: &[String]) -> Vec<String> {
        let headers = import_warnings(warnings);
        headers.get_all(IMPORT_WARNING).iter().map(|line| line.to_str().expect("ASCII").to_owned()).collect()
    }

    #[test]
    fn values_are_printable_ascii() {
        assert_eq!(
            header_value(" The column \"Größe\" \u{1F600}\r\nX: y\0\t\\ is ignored. "),
            "The column \"Gr\\u00f6\\u00dfe\" \\ud83d\\ude00\\u000d\\u000aX: y\\u0000\\u0009\\u005c is ignored."
        );
        let long = header_value(&"ü".repeat(1000));
        assert!(long.len() <= MAX_WARNING_BYTES && long.ends_with("\\u00fc..."), "{long}");
        assert!(lines(&[]).is_empty());
    }

    #[test]
    fn all_lines_together_are_bounded() {
        for (count, length) in
            [(1, 10), (1, 10_000), (5, 300), (6, 300), (7, 300), (100, 50), (1_000_000, 1), (100, 0)]
        {
            let warnings: Vec<String> = (0..count).map(|_| "x".repeat(length)).collect();
            let lines = lines(&warnings);
            let bytes: usize = lines.iter().map(|line| line.len() + LINE_OVERHEAD).sum();
            assert!(bytes <= MAX_BYTES, "{count} of {length}: {bytes}");
            let last = lines.last().expect("a line");
            if lines.len() <= count && last.contains(" more warning") {
                let more = count - (lines.len() - 1);
                assert!(last.starts_with(&format!("{more} more warning")), "{last}");
            } else {
                assert_eq!(lines.len(), count);
            }
        }
    }
}
