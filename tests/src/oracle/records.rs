//! Text → records of cells (§3; a lenient reading of RFC 4180). The first record is the header.

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first character of a cell, the only place where a quote opens.
    CellStart,
    /// In an unquoted cell, or after the closing quote of a quoted one. Every character is literal.
    Bare,
    /// Inside quotes.
    Quoted,
}

/// A record that is not blank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The cells as written, untrimmed.
    pub cells: Vec<String>,
    /// Whether the file ends inside a quoted cell. The contents of such a record are unknowable, so the whole row fails.
    pub unclosed_quote: bool,
}

/// Reads every record that is not blank.
pub fn read_records(text: &str) -> Vec<Record> {
    let chars: Vec<char> = text.chars().collect();
    let mut at = 0;
    let mut delimiter = None;
    let mut records = Vec::new();
    while at < chars.len() {
        let line = &chars[at..end_of_line(&chars, at)];
        if line.iter().all(|c| c.is_whitespace()) {
            at = after_line_end(&chars, at + line.len());
            continue;
        }
        let delimiter = *delimiter.get_or_insert_with(|| detect_delimiter(&chars[at..]));
        let (record, next) = read_record(&chars, at, delimiter);
        records.push(record);
        at = next;
    }
    records
}

fn end_of_line(chars: &[char], from: usize) -> usize {
    let length = chars[from..].iter().position(|c| matches!(c, '\r' | '\n'));
    length.map_or(chars.len(), |length| from + length)
}

/// The position after the LF, CRLF or CR at `at`.
fn after_line_end(chars: &[char], at: usize) -> usize {
    match (chars.get(at), chars.get(at + 1)) {
        (Some('\r'), Some('\n')) => at + 2,
        (Some(_), _) => at + 1,
        (None, _) => at,
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

/// Reads the record that begins at `at`; returns it and the start of the next one. An unclosed quote runs to the end of
/// the file.
fn read_record(chars: &[char], mut at: usize, delimiter: char) -> (Record, usize) {
    let mut cells = Vec::new();
    let mut cell = String::new();
    let mut state = State::CellStart;
    while at < chars.len() {
        let c = chars[at];
        if state == State::Quoted {
            if c != '"' {
                cell.push(c);
            } else if chars.get(at + 1) == Some(&'"') {
                cell.push('"');
                at += 1;
            } else {
                state = State::Bare;
            }
        } else if c == delimiter {
            cells.push(std::mem::take(&mut cell));
            state = State::CellStart;
        } else if c == '\r' || c == '\n' {
            cells.push(cell);
            return (Record { cells, unclosed_quote: false }, after_line_end(chars, at));
        } else if c == '"' && state == State::CellStart {
            state = State::Quoted;
        } else {
            cell.push(c);
            state = State::Bare;
        }
        at += 1;
    }
    cells.push(cell);
    (Record { cells, unclosed_quote: state == State::Quoted }, at)
}
