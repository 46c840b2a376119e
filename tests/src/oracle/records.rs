//! Text → records of cells (§3 and RFC 4180, read leniently). The first record is the header.

#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    /// Before the first character of a cell: only here does a quote open.
    CellStart,
    /// In a cell without quotes, or after the closing quote of one with: everything is literal.
    Bare,
    /// Between quotes.
    Quoted,
}

/// A line that is not blank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The cells as written (not trimmed).
    pub cells: Vec<String>,
    /// False where a quote opens and the file ends before it closes. What such a record holds nobody can say, so it fails
    /// as a whole.
    pub closes: bool,
}

/// Every line that is not blank.
pub fn read(text: &str) -> Vec<Record> {
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
        let delimiter = *delimiter.get_or_insert_with(|| sniff(&chars[at..]));
        let (record, next) = record(&chars, at, delimiter);
        records.push(record);
        at = next;
    }
    records
}

fn end_of_line(chars: &[char], from: usize) -> usize {
    let length = chars[from..].iter().position(|c| matches!(c, '\r' | '\n'));
    length.map_or(chars.len(), |length| from + length)
}

/// Past LF, CRLF or CR.
fn after_line_end(chars: &[char], at: usize) -> usize {
    match (chars.get(at), chars.get(at + 1)) {
        (Some('\r'), Some('\n')) => at + 2,
        (Some(_), _) => at + 1,
        (None, _) => at,
    }
}

/// The delimiter the header line holds most of outside quotes; comma, then semicolon, in a tie.
fn sniff(chars: &[char]) -> char {
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

/// The record that begins at `at`, and where the next one does. A quote that is never closed runs to the end of the file.
fn record(chars: &[char], mut at: usize, delimiter: char) -> (Record, usize) {
    let mut cells = Vec::new();
    let mut cell = String::new();
    let mut state = At::CellStart;
    while at < chars.len() {
        let c = chars[at];
        if state == At::Quoted {
            if c != '"' {
                cell.push(c);
            } else if chars.get(at + 1) == Some(&'"') {
                cell.push('"');
                at += 1;
            } else {
                state = At::Bare;
            }
        } else if c == delimiter {
            cells.push(std::mem::take(&mut cell));
            state = At::CellStart;
        } else if c == '\r' || c == '\n' {
            cells.push(cell);
            return (Record { cells, closes: true }, after_line_end(chars, at));
        } else if c == '"' && state == At::CellStart {
            state = At::Quoted;
        } else {
            cell.push(c);
            state = At::Bare;
        }
        at += 1;
    }
    cells.push(cell);
    (Record { cells, closes: state != At::Quoted }, at)
}
