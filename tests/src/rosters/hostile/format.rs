//! Cells → lines of a CSV file.

use super::columns::Field;
use crate::rosters::rng::Rng;

/// How a file is written.
pub struct Format {
    pub delimiter: char,
    line_end: &'static str,
    mixed_line_ends: bool,
    /// The percentage of cells that are quoted although they need no quotes.
    pub quoted: u64,
    /// The percentage of cells with unusual quotes or spaces.
    unusual: u64,
    /// The percentage of rows that follow a blank line.
    pub blank_lines: u64,
}

impl Format {
    pub fn random(rng: &mut Rng) -> Self {
        Self {
            delimiter: rng.pick(&[',', ',', ',', ';', '\t']),
            line_end: rng.pick(&["\n", "\n", "\r\n", "\r\n", "\r"]),
            mixed_line_ends: rng.chance(5),
            quoted: rng.pick(&[0, 0, 5, 40, 100]),
            unusual: rng.pick(&[0, 0, 3, 10]),
            blank_lines: rng.pick(&[0, 0, 0, 10, 40]),
        }
    }

    pub fn line_end(&self, rng: &mut Rng) -> &'static str {
        if self.mixed_line_ends { rng.pick(&["\n", "\r\n", "\r"]) } else { self.line_end }
    }

    pub fn record(&self, rng: &mut Rng, row: &[String]) -> String {
        if let [alone] = row
            && alone.trim().is_empty()
        {
            return String::new();
        }
        let cells: Vec<String> = row.iter().map(|value| self.cell(rng, value)).collect();
        cells.join(&self.delimiter.to_string())
    }

    /// A cell as written to the file.
    fn cell(&self, rng: &mut Rng, value: &str) -> String {
        let plain = quote(value, rng.chance(self.quoted), self.delimiter);
        if !rng.chance(self.unusual) {
            return plain;
        }
        let pad = rng.pick(&[" ", "  ", "\u{a0}"]);
        match rng.below(6) {
            // A quote after a space does not open a quoted cell. A space after the closing quote is trimmed.
            0 => format!("{pad}{plain}"),
            1 => format!("{plain}{pad}"),
            2 => format!("{pad}{plain}{pad}"),
            3 => format!("{pad}\"{value}\""),
            // Text after the closing quote.
            4 => format!("\"{}\"tail\"s\"", value.replace('"', "\"\"")),
            // Quotes inside an unquoted cell.
            _ => {
                let bare = value.replace(['\r', '\n', self.delimiter], "");
                format!("x\"{bare}\"")
            }
        }
    }
}

pub fn blank_line(rng: &mut Rng) -> &'static str {
    rng.pick(&["", "", "", " ", "\t", "  \t ", "\u{a0}"])
}

/// Writes a column's name in one of the ways in which schools write it.
pub fn header_cell(rng: &mut Rng, field: Field) -> String {
    let names = field.names();
    let name = if field == Field::Unknown || rng.chance(30) { rng.pick(names) } else { names[0] };
    if field == Field::Unknown {
        return name.to_owned();
    }
    let title = |separator: &str| {
        let words = name.split(' ').map(|word| word[..1].to_uppercase() + &word[1..]);
        words.collect::<Vec<_>>().join(separator)
    };
    match rng.below(20) {
        0..10 => name.replace(' ', ""),
        10 | 11 => name.replace(' ', "").to_uppercase(),
        12 | 13 => title(" "),
        14 => title(""),
        15 => name.replace(' ', "-"),
        16 => name.replace(' ', "_"),
        17 => format!("  {}. ", title(" ")),
        18 => format!("*{}?", name.replace(' ', ", ")),
        _ => name.replace(' ', "\n"),
    }
}

/// Quotes a value that needs quotes, or any value if `always`.
pub fn quote(value: &str, always: bool, delimiter: char) -> String {
    // Other delimiters are quoted too: in a header cell they would count when the delimiter is detected.
    if always || value.starts_with('"') || value.contains([delimiter, ',', ';', '\r', '\n']) {
        format!("\"{}\"", value.replace('"', "\"\""))
    } else {
        value.to_owned()
    }
}
