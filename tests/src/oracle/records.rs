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
    if is_broken(&text.chars, &reading, from, to, delimiter, width) {
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
fn is_broken(
    chars: &[char],
    reading: &Reading,
    from: usize,
    to: usize,
    delimiter: char,
    width: Option<usize>,
) -> bool {
    if reading.open_quote.is_some() || reading.text_after_quote {
        return true;
    }
    let Some(width) = width else {
        return reading.delimiter_in_lines;
    };
    let has_all_cells =
        |line: &Line| read(chars, line.from, line.end, delimiter, &BTreeSet::new()).cells.len() == width;
    // A line of the file that is meant as a row begins a record in which every quote is in its place. No line that begins
    // inside a quoted cell does: its quotes are one too many.
    let begins_row = |line: &Line| {
        let own = read(chars, line.from, to, delimiter, &BTreeSet::new());
        own.cells.len() == width && own.open_quote.is_none() && !own.misplaced_quote
    };
    // A stray pair joins two rows: what stands before the line break and what stands after it have all cells. In the last of
    // few columns an address looks the same.
    let joins_rows = |(quote, end): (usize, usize), last: &Line| {
        let cell = read(chars, from, quote, delimiter, &BTreeSet::new()).cells.len();
        let is_last = chars[end..last.end].iter().all(|c| is_blank_in_line(*c, delimiter));
        let is_prose = delimiter != '\t'
            && (quote..end)
                .filter(|at| chars[*at] == delimiter)
                .all(|at| chars.get(at + 1).is_some_and(|c| is_blank(*c)));
        let may_be_address = cell == width && is_last && width < 4 || is_prose || reading.all_quoted;
        !may_be_address
            && read(chars, from, to, delimiter, &BTreeSet::from([quote])).cells.len() == width
            && read_literally(chars, *last, delimiter).len() == width
    };
    let swallows_row = |cell: &(usize, usize)| {
        let lines = lines(chars, cell.0, to);
        let closing = lines.iter().take_while(|line| line.from < cell.1).count() - 1;
        lines[1..closing].iter().any(has_all_cells)
            || lines[1..=closing].iter().any(begins_row)
            || joins_rows(*cell, &lines[closing])
    };
    width >= 2 && reading.cells_of_lines.iter().any(swallows_row)
}

/// The cells of a line if a quote that it leaves open is an ordinary character.
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
#[expect(clippy::struct_excessive_bools, reason = "each is a question that one reading answers")]
struct Reading {
    cells: Vec<String>,
    next: usize,
    /// The quote that does not close.
    open_quote: Option<usize>,
    /// Where the quoted cells that hold line breaks begin and end.
    cells_of_lines: Vec<(usize, usize)>,
    /// Whether text follows the closing quote of one of them.
    text_after_quote: bool,
    /// Whether one of them holds a delimiter.
    delimiter_in_lines: bool,
    /// Whether text follows a closing quote, or a quote ends a cell that none opened. Any other quote in an unquoted cell
    /// cannot be a closing one.
    misplaced_quote: bool,
    /// Whether each cell is quoted or blank.
    all_quoted: bool,
}

/// Reads up to a line end outside quotes. The quotes in `literal` are ordinary characters.
fn read(chars: &[char], from: usize, to: usize, delimiter: char, literal: &BTreeSet<usize>) -> Reading {
    let mut reading = Reading { all_quoted: true, ..Reading::default() };
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
            let text_follows = text_follows(chars, at, to, delimiter);
            reading.misplaced_quote |= text_follows;
            if cell.contains(is_line_end) {
                reading.cells_of_lines.push((quote, at));
                reading.text_after_quote |= text_follows;
                reading.delimiter_in_lines |= cell.contains(delimiter);
            }
        } else {
            reading.all_quoted &= !text_follows(chars, at, to, delimiter);
        }
        while at < to && chars[at] != delimiter && !is_line_end(chars[at]) {
            reading.misplaced_quote |= chars[at] == '"' && !text_follows(chars, at + 1, to, delimiter);
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

/// The quote that opens the cell at `from`. Only blanks may stand before it, or the `=` of a formula that is nothing but a
/// text: its quote closes in the same line, at the end of the cell.
fn opening_quote(chars: &[char], from: usize, delimiter: char) -> Option<usize> {
    let at = (from..chars.len()).find(|at| !is_blank_in_line(chars[*at], delimiter))?;
    match &chars[at..] {
        ['"', ..] => Some(at),
        ['=', '"', ..] => {
            let end = (at..chars.len()).find(|at| is_line_end(chars[*at])).unwrap_or(chars.len());
            let mut close = at + 2;
            loop {
                match &chars[close..end] {
                    ['"', '"', ..] => close += 2,
                    ['"', ..] => break,
                    [_, ..] => close += 1,
                    [] => return None,
                }
            }
            (!text_follows(chars, close + 1, end, delimiter)).then_some(at + 1)
        }
        _ => None,
    }
}

/// Whether the cell goes on at `from` with more than blanks.
fn text_follows(chars: &[char], from: usize, to: usize, delimiter: char) -> bool {
    let next = chars[from..to].iter().find(|c| !is_blank_in_line(**c, delimiter));
    next.is_some_and(|c| *c != delimiter && !is_line_end(*c))
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
