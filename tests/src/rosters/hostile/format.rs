//! Format.

use super::columns::Field;
use crate::rosters::rng::Rng;

/// How a file is written.
pub struct Format {
    pub delimiter: char,
    line_end: &'static str,
    mixed_line_ends: bool,
    /// Percent of the cells that could do without quotes.
    pub quoted: u64,
    /// Percent of cells with something odd about quotes or spaces.
    odd: u64,
    /// Percent of rows with a blank line before.
    pub blank_lines: u64,
}

impl Format {
    pub fn random(rng: &mut Rng) -> Self {
        Self {
            delimiter: rng.pick(&[',', ',', ',', ';', '\t']),
            line_end: rng.pick(&["\n", "\n", "\r\n", "\r\n", "\r"]),
            mixed_line_ends: rng.chance(5),
            quoted: rng.pick(&[0, 0, 5, 40, 100]),
            odd: rng.pick(&[0, 0, 3, 10]),
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
        let cells: Vec<String> = row.iter().map(|value| self.written(rng, value)).collect();
        cells.join(&self.delimiter.to_string())
    }

    /// A cell as it stands in the file.
    fn written(&self, rng: &mut Rng, value: &str) -> String {
        let plain = quote(value, rng.chance(self.quoted), self.delimiter);
        if !rng.chance(self.odd) {
            return plain;
        }
        let pad = rng.pick(&[" ", "  ", "\u{a0}"]);
        match rng.below(6) {
            // A space before a quote makes it a character like any other; behind the closing one it is trimmed.
            0 => format!("{pad}{plain}"),
            1 => format!("{plain}{pad}"),
            2 => format!("{pad}{plain}{pad}"),
            3 => format!("{pad}\"{value}\""),
            // Strays behind the closing quote.
            4 => format!("\"{}\"tail\"s\"", value.replace('"', "\"\"")),
            // A quote inside a bare cell.
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
        _ => name.replace(' ', "\n;"),
    }
}

pub fn quote(value: &str, anyway: bool, delimiter: char) -> String {
    // A header's cell must not add to the count of any delimiter.
    if anyway || value.starts_with('"') || value.contains([delimiter, ',', ';', '\r', '\n']) {
        format!("\"{}\"", value.replace('"', "\"\""))
    } else {
        value.to_owned()
    }
}
