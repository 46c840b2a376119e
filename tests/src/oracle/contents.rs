//! Text → header and rows: what stands before the header, which delimiter the file has, where its data ends (§3).

use super::cells;
use super::encoding::Text;
use super::header::Column;
use super::names::is_blank;
use super::records::{Line, Record, RecordProblem, is_line_end, lines, read_record};

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    pub header: Record,
    /// The records that are not blank.
    pub rows: Vec<Record>,
}

/// Reads a file. It is `None` if the file has no header. The error is the reason why it cannot be read.
pub fn read_contents(text: &Text) -> Result<Option<Contents>, String> {
    let mut declared = None;
    let mut at = 0;
    while at < text.chars.len() {
        let line = lines(&text.chars, at, text.chars.len())[0];
        match preamble(&text.chars[line.from..line.end])? {
            Preamble::No => {}
            Preamble::Skipped => {
                at = line.next;
                continue;
            }
            Preamble::Delimiter(delimiter) => {
                declared = Some(delimiter);
                at = line.next;
                continue;
            }
        }
        let delimiter = declared.unwrap_or_else(|| detect_delimiter(&text.chars[at..]));
        let Some(end) = end_of_data(&text.chars, at, delimiter) else {
            return Ok(None);
        };
        let header = read_record(text, at, end, delimiter, None);
        match header.problem {
            Some(RecordProblem::OpenQuote) => {
                return Err("The header has a quote that does not close.".into());
            }
            Some(RecordProblem::TooLong) => return Err("The header is longer than 1 MiB.".into()),
            Some(RecordProblem::InvalidBytes) | None => {}
        }
        if is_blank_record(&header) {
            at = header.next;
            continue;
        }
        let mut rows = Vec::new();
        at = header.next;
        while at < end {
            let row = read_record(text, at, end, delimiter, Some(header.cells.len()));
            at = row.next;
            if row.problem.is_some() || !is_blank_record(&row) {
                rows.push(row);
            }
        }
        let line: String = text.chars[header.from..header.next.min(end)].iter().collect();
        if rows.is_empty() && holds_more_than_a_header(line.trim_end_matches(is_line_end), &header.cells) {
            return Err("The file is one line: its line breaks were lost.".into());
        }
        return Ok(Some(Contents { header, rows }));
    }
    Ok(None)
}

enum Preamble {
    No,
    Skipped,
    Delimiter(char),
}

/// What a line that tools write before the header says.
fn preamble(line: &[char]) -> Result<Preamble, String> {
    let line: String = line.iter().collect();
    let line = line.trim_start_matches(is_blank);
    if line.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("#type ")) {
        return Ok(Preamble::Skipped);
    }
    let unquoted = match line.strip_prefix('"') {
        Some(rest) => rest.replacen('"', "", 1),
        None => line.to_owned(),
    };
    if !unquoted.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("sep=")) {
        return Ok(Preamble::No);
    }
    let mut rest = unquoted[4..].chars();
    match (rest.next(), rest.all(is_blank)) {
        (Some(delimiter @ (',' | ';' | '\t')), true) => Ok(Preamble::Delimiter(delimiter)),
        (None, _) => Ok(Preamble::Skipped),
        (Some(c), true) if is_blank(c) => Ok(Preamble::Skipped),
        _ => Err("The delimiters are comma, semicolon and tab.".into()),
    }
}

/// The delimiter that occurs most often outside quotes in the header line. In a tie comma comes before semicolon, and
/// semicolon before tab.
fn detect_delimiter(chars: &[char]) -> char {
    let (mut commas, mut semicolons, mut tabs) = (0, 0, 0);
    let mut quoted = false;
    for c in chars {
        match c {
            '"' => quoted = !quoted,
            _ if quoted => {}
            ',' => commas += 1,
            ';' => semicolons += 1,
            '\t' => tabs += 1,
            '\r' | '\n' => break,
            _ => {}
        }
    }
    if commas >= semicolons && commas >= tabs {
        ','
    } else if semicolons >= tabs {
        ';'
    } else {
        '\t'
    }
}

/// Where the data that begins at `from` ends, without the Ctrl-Z and NUL that DOS leaves at a file's end. It is `None` if
/// there is no data.
fn end_of_data(chars: &[char], from: usize, delimiter: char) -> Option<usize> {
    let is_filler = |c: char| matches!(c, '\u{1A}' | '\0');
    let holds_nothing = |line: &Line| {
        chars[line.from..line.end].iter().all(|c| is_blank(*c) || is_filler(*c) || *c == delimiter)
    };
    let lines = lines(chars, from, chars.len());
    let last = lines.iter().rfind(|line| !holds_nothing(line))?;
    if chars[..last.end].ends_with(&['\u{1A}']) || chars[..last.end].ends_with(&['\0']) {
        return (0..last.end).rfind(|at| !is_filler(chars[*at])).map(|at| at + 1);
    }
    Some(last.next)
}

fn is_blank_record(record: &Record) -> bool {
    record.cells.iter().all(String::is_empty)
}

/// Whether a file of one line has lost its line breaks: characters stand in it that other tools take for one, or what only
/// a row holds stands after the names of columns.
fn holds_more_than_a_header(line: &str, cells: &[String]) -> bool {
    let breaks = ["\\n", "\u{85}", "\u{2028}", "\u{2029}", "\u{1E}", "<br"];
    if breaks.iter().any(|lost| line.to_lowercase().contains(lost)) {
        return true;
    }
    let known = cells.iter().position(|cell| Column::named(cell).is_some());
    known.is_some_and(|known| cells[known..].iter().any(|cell| is_value(cell)))
}

/// Whether a cell is a value and no column's name.
fn is_value(text: &str) -> bool {
    cells::boolean(text).is_ok()
        || cells::gender(text).is_ok()
        || cells::year(text).is_ok()
        || cells::email(text).is_ok()
}
