//! What happens to files on their way: stray quotes and bytes, invisible characters, rows of nothing, lines that tools add.

use super::values::blank;
use crate::rosters::rng::Rng;

/// How often a file's rows and cells are odd, in percent.
pub struct Oddities {
    /// Rows with a quote that the writer did not mean as one.
    stray_quotes: u64,
    /// Rows after which a row of nothing follows.
    ghost_rows: u64,
    /// Rows with bytes that are not UTF-8.
    bad_bytes: u64,
    /// Cells with an invisible character around or inside.
    pub invisible: u64,
}

const INVISIBLE: [char; 8] =
    ['\u{200B}', '\u{FEFF}', '\u{200E}', '\u{200F}', '\u{202A}', '\u{202C}', '\u{2060}', '\u{2069}'];

impl Oddities {
    pub fn random(rng: &mut Rng) -> Self {
        Self {
            stray_quotes: rng.pick(&[0, 0, 0, 0, 0, 4, 12]),
            ghost_rows: rng.pick(&[0, 0, 0, 0, 10, 30]),
            bad_bytes: rng.pick(&[0, 0, 0, 0, 0, 3, 12]),
            invisible: rng.pick(&[0, 0, 0, 2, 10]),
        }
    }

    /// Adds quotes and rows of nothing to lines that each hold a record. The first is the header and stays as it is.
    pub fn disturb(&self, rng: &mut Rng, lines: &mut Vec<String>, delimiter: char, columns: usize) {
        for at in 1..lines.len() {
            if rng.chance(self.stray_quotes) {
                add_quotes(rng, lines, at, delimiter);
            }
        }
        for at in (1..=lines.len()).rev() {
            if rng.chance(self.ghost_rows) {
                let line_end = line_end_of(&lines[at - 1]).to_owned();
                lines.insert(at, ghost_row(rng, delimiter, columns) + &line_end);
            }
        }
    }

    /// Spoils bytes of encoded lines. The first is the header and stays as it is.
    pub fn spoil(&self, rng: &mut Rng, lines: &mut [Vec<u8>]) {
        for line in lines.iter_mut().skip(1) {
            if !rng.chance(self.bad_bytes) {
                continue;
            }
            // Half of a character that was cut, else a byte from elsewhere.
            let cut = line.iter().position(|byte| *byte >= 0xC2);
            match cut.filter(|_| rng.chance(60)) {
                Some(at) if at + 1 < line.len() => drop(line.remove(at + 1)),
                _ => line.insert(rng.below(line.len() + 1), rng.pick(&[0xE9, 0xC3, 0x80, 0xFF, 0xE2, 0x9D])),
            }
        }
    }
}

/// One stray quote, or a pair within a line or over lines.
fn add_quotes(rng: &mut Rng, lines: &mut [String], at: usize, delimiter: char) {
    match rng.below(6) {
        0 => insert_quote(&mut lines[at], |line| any_place(rng, line)),
        1 | 2 => insert_quote(&mut lines[at], |line| start_of_cell(rng, line, delimiter)),
        3 => {
            insert_quote(&mut lines[at], |line| start_of_cell(rng, line, delimiter));
            insert_quote(&mut lines[at], |line| any_place(rng, line));
        }
        _ => {
            let last = lines.len().min(at + 1 + rng.below(4)) - 1;
            insert_quote(&mut lines[at], |line| start_of_cell(rng, line, delimiter));
            insert_quote(&mut lines[last], |line| end_of_cell(rng, line, delimiter));
        }
    }
}

fn insert_quote(line: &mut String, place: impl FnOnce(&str) -> usize) {
    let at = place(line);
    line.insert(at, '"');
}

fn any_place(rng: &mut Rng, line: &str) -> usize {
    let places: Vec<usize> = line.char_indices().map(|(at, _)| at).chain([line.len()]).collect();
    rng.pick(&places)
}

fn start_of_cell(rng: &mut Rng, line: &str, delimiter: char) -> usize {
    let starts: Vec<usize> =
        [0].into_iter().chain(line.match_indices(delimiter).map(|(at, _)| at + 1)).collect();
    rng.pick(&starts)
}

fn end_of_cell(rng: &mut Rng, line: &str, delimiter: char) -> usize {
    let end = line.len() - line_end_of(line).len();
    let ends: Vec<usize> = line.match_indices(delimiter).map(|(at, _)| at).chain([end]).collect();
    rng.pick(&ends)
}

fn line_end_of(line: &str) -> &str {
    &line[line.trim_end_matches(['\r', '\n']).len()..]
}

fn ghost_row(rng: &mut Rng, delimiter: char, columns: usize) -> String {
    let cells: Vec<String> = match rng.below(4) {
        0 => (0..columns).map(|_| "\"\"".to_owned()).collect(),
        1 => (0..=rng.below(columns)).map(|_| blank(rng)).collect(),
        2 => (0..columns + 2).map(|_| rng.pick(&["", "\u{200B}", "\" \""]).to_owned()).collect(),
        _ => vec![String::new(); columns],
    };
    cells.join(&delimiter.to_string())
}

/// Puts an invisible character around a value, or sometimes inside.
pub fn with_invisible(rng: &mut Rng, value: &str) -> String {
    let mark = rng.pick(&INVISIBLE);
    match rng.below(5) {
        0 => format!("{mark}{value}"),
        1 => format!("{value}{mark}"),
        2 => format!("{mark} {value}\u{a0}{}", rng.pick(&INVISIBLE)),
        _ => {
            let mut value = value.to_owned();
            let at = any_place(rng, &value);
            value.insert(at, mark);
            value
        }
    }
}

/// What tools write before the header: usually nothing.
pub fn preamble(rng: &mut Rng, delimiter: char, line_end: &str) -> String {
    let kind = rng.pick(&["#TYPE", "#type"]);
    let type_line = format!("{kind} System.Management.Automation.PSCustomObject{line_end}");
    match rng.below(100) {
        0..3 => format!("sep={delimiter}{line_end}"),
        3 => format!("\"SEP={delimiter}\"{line_end}"),
        4 => format!("sep={line_end}"),
        5..8 => type_line,
        8 => format!("{line_end}{type_line}Sep={delimiter}{line_end}"),
        _ => String::new(),
    }
}

/// What DOS leaves at a file's end: usually nothing.
pub fn tail(rng: &mut Rng, delimiter: char, line_end: &str) -> String {
    match rng.below(100) {
        0..3 => "\u{1A}".to_owned(),
        3 => format!("\u{1A}{line_end}"),
        4 => "\0".repeat(1 + rng.below(5)),
        5 => format!("{line_end}{delimiter}{delimiter}{line_end}\0\0{line_end} \u{1A}"),
        _ => String::new(),
    }
}
