//! Text → a record of cells, and whether its quotes can be believed (§3; a lenient reading of RFC 4180).

use std::collections::BTreeSet;

use super::encoding::Text;
use super::names::{is_blank, trim};

const LONGEST_RECORD: usize = 1024 * 1024;

/// A record of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The texts of the cells.
    pub cells: Vec<String>,
    /// The problem that makes the cells unknowable.
    pub problem: Option<RecordProblem>,
    /// Where the record begins and where the next one does.
    pub from: usize,
    pub next: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordProblem {
    TooLong,
    OpenQuote,
    InvalidBytes,
}

impl RecordProblem {
    /// Its text, followed by one space.
    pub fn text(self) -> &'static str {
        match self {
            Self::TooLong => "Row is longer than 1 MiB. ",
            Self::OpenQuote => "Row has a quote that does not close. ",
            Self::InvalidBytes => "Row contains bytes that are not valid UTF-8. ",
        }
    }
}

/// A physical line: where it begins, where its line end begins, and where the next line does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    pub from: usize,
    pub end: usize,
    pub next: usize,
}

pub fn is_line_end(c: char) -> bool {
    matches!(c, '\r' | '\n')
}

/// The physical lines of a part of a text. They end with LF, CRLF or CR.
pub fn lines(chars: &[char], from: usize, to: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut at = from;
    while at < to {
        let end = (at..to).find(|at| is_line_end(chars[*at])).unwrap_or(to);
        let next = after_line_end(chars, end, to);
        lines.push(Line { from: at, end, next });
        at = next;
    }
    lines
}

fn after_line_end(chars: &[char], at: usize, to: usize) -> usize {
    match &chars[at..to] {
        ['\r', '\n', ..] => at + 2,
        [_, ..] => at + 1,
        [] => at,
    }
}

/// Reads the record that begins at `from`. `width` is the number of the header's columns, `None` for the header itself.
pub fn read_record(text: &Text, from: usize, to: usize, delimiter: char, width: Option<usize>) -> Record {
    let reading = read(&text.chars, from, to, delimiter, &BTreeSet::new());
    if is_broken(&text.chars, &reading, from, delimiter, width) {
        // Only its first line is the record, and reading goes on at the second.
        let first = lines(&text.chars, from, to)[0];
        let cells = read_literally(&text.chars, first, delimiter);
        let problem =
            if length(&cells) > LONGEST_RECORD { RecordProblem::TooLong } else { RecordProblem::OpenQuote };
        return Record { cells: texts(&cells), problem: Some(problem), from, next: first.next };
    }
    let problem = if length(&reading.cells) > LONGEST_RECORD {
        Some(RecordProblem::TooLong)
    } else {
        text.invalid.range(from..reading.next).next().map(|_| RecordProblem::InvalidBytes)
    };
    Record { cells: texts(&reading.cells), problem, from, next: reading.next }
}

/// Whether the quotes of a record cannot be meant as they stand: they would make it span lines that are rows of their own.
fn is_broken(chars: &[char], reading: &Reading, from: usize, delimiter: char, width: Option<usize>) -> bool {
    if reading.open_quote.is_some() || reading.text_after_quote {
        return true;
    }
    let lines = lines(chars, from, reading.next);
    let Some(width) = width else {
        return reading.delimiter_in_lines;
    };
    let [first, inner @ .., last] = lines.as_slice() else {
        return false;
    };
    let is_row =
        |line: &Line| read(chars, line.from, line.end, delimiter, &BTreeSet::new()).cells.len() == width;
    width >= 2
        && (inner.iter().any(is_row)
            || read_literally(chars, *first, delimiter).len() == width && is_row(last))
}

/// The cells of a line if the quote that it leaves open is an ordinary character.
fn read_literally(chars: &[char], line: Line, delimiter: char) -> Vec<String> {
    let mut literal = BTreeSet::new();
    loop {
        let reading = read(chars, line.from, line.end, delimiter, &literal);
        match reading.open_quote {
            None => return reading.cells,
            Some(quote) => literal.insert(quote),
        };
    }
}

/// What stands between `from` and `next`, taken at its word.
#[derive(Default)]
struct Reading {
    cells: Vec<String>,
    next: usize,
    /// The quote that does not close.
    open_quote: Option<usize>,
    /// Whether text follows the closing quote of a cell that holds a line break.
    text_after_quote: bool,
    /// Whether a quoted cell holds a line break and a delimiter.
    delimiter_in_lines: bool,
}

/// Reads up to a line end outside quotes. The quotes in `literal` are ordinary characters.
fn read(chars: &[char], from: usize, to: usize, delimiter: char, literal: &BTreeSet<usize>) -> Reading {
    let mut reading = Reading::default();
    let mut at = from;
    loop {
        let mut cell = String::new();
        if let Some(quote) = opening_quote(&chars[..to], at, delimiter).filter(|at| !literal.contains(at)) {
            at = quote + 1;
            loop {
                let is_too_long = length(&reading.cells) + cell.len() > LONGEST_RECORD;
                match &chars[at..to] {
                    ['"', '"', ..] if !is_too_long => {
                        cell.push('"');
                        at += 2;
                    }
                    ['"', ..] if !is_too_long => break,
                    [c, ..] if !is_too_long => {
                        cell.push(*c);
                        at += 1;
                    }
                    _ => {
                        reading.open_quote = Some(quote);
                        reading.cells.push(cell);
                        return reading;
                    }
                }
            }
            at += 1;
            if cell.contains(is_line_end) {
                let after = chars[at..to].iter().find(|c| !is_blank_in_line(**c, delimiter));
                reading.text_after_quote |= after.is_some_and(|c| *c != delimiter && !is_line_end(*c));
                reading.delimiter_in_lines |= cell.contains(delimiter);
            }
        }
        while at < to && chars[at] != delimiter && !is_line_end(chars[at]) {
            cell.push(chars[at]);
            at += 1;
        }
        reading.cells.push(cell);
        if at < to && chars[at] == delimiter {
            at += 1;
        } else {
            reading.next = after_line_end(chars, at, to);
            return reading;
        }
    }
}

/// The quote that opens the cell at `from`: only blanks, then perhaps `=`, may stand before it.
fn opening_quote(chars: &[char], from: usize, delimiter: char) -> Option<usize> {
    let at = (from..chars.len()).find(|at| !is_blank_in_line(chars[*at], delimiter))?;
    match &chars[at..] {
        ['"', ..] => Some(at),
        ['=', '"', ..] => Some(at + 1),
        _ => None,
    }
}

fn is_blank_in_line(c: char, delimiter: char) -> bool {
    is_blank(c) && c != delimiter && !is_line_end(c)
}

/// Trimmed, and without the `="…"` by which Excel keeps a number's zeros.
fn texts(cells: &[String]) -> Vec<String> {
    let text = |cell: &String| {
        let cell = trim(cell);
        match cell.strip_prefix("=\"").and_then(|rest| rest.strip_suffix('"')) {
            Some(inner) => trim(&inner.replace("\"\"", "\"")).to_owned(),
            None => cell.to_owned(),
        }
    };
    cells.iter().map(text).collect()
}

fn length(cells: &[String]) -> usize {
    cells.iter().map(String::len).sum()
}
