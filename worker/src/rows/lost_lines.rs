//! Files whose line breaks were lost: one line that holds the header and, after it, the rows.

use super::columns::{ColumnTables, letters_and_digits};
use super::field::Field;
use crate::read::record::Record;

/// Whether a file's only line is a header and, after it, the rows whose line breaks were lost.
pub(super) fn holds_rows(record: &Record<'_>, tables: &ColumnTables) -> bool {
    let cells: Vec<&str> = record.cells().collect();
    has_other_line_ends(&cells, tables)
        || has_rows_after_columns(&cells, tables)
        || begins_with_preamble(&cells) && cells.iter().any(|cell| names_username(cell))
}

/// Whether a text has the word `username` in it.
pub fn names_username(text: &str) -> bool {
    letters_and_digits(text).contains("username")
}

/// Whether a line begins as one does that tools write before the header.
fn begins_with_preamble(cells: &[&str]) -> bool {
    let first = cells.first().copied().unwrap_or_default().trim_start_matches('"');
    [first.get(..4), first.get(..5)]
        .into_iter()
        .flatten()
        .any(|start| start.eq_ignore_ascii_case("sep=") || start.eq_ignore_ascii_case("#type"))
}

/// Whether something that is no line end here stands where the header ends and more follows.
fn has_other_line_ends(cells: &[&str], tables: &ColumnTables) -> bool {
    /// As other systems write a line end, or as one is written into a text.
    const OTHER_LINE_ENDS: [&str; 15] = [
        "\\n", "\\r", "<br", "<BR", "<Br", "\u{B}", "\u{C}", "\u{1C}", "\u{1D}", "\u{1E}", "\u{85}",
        "\u{2028}", "\u{2029}", "%0A", "%0D",
    ];
    // U+0085 in a file that is read as Windows-1252.
    const NEXT_LINE_AS_WINDOWS_1252: &str = "…";

    let ends = OTHER_LINE_ENDS.iter().copied().chain([NEXT_LINE_AS_WINDOWS_1252]);
    let split = cells.iter().enumerate().find_map(|(index, cell)| {
        let found = ends.clone().filter_map(|end| cell.find(end).map(|at| (at, end))).min()?;
        Some((index, cell.split_at(found.0), found.1))
    });
    let Some((index, (before, after), end)) = split else { return false };
    let mut header = cells[..index].iter().copied().chain([before]);
    let has_username = header.any(|name| tables.field_named(name) == Some(Field::Username));
    let after =
        after.strip_prefix(end).unwrap_or(after).trim_start_matches([' ', '/', '>', '\\', 'n', '\u{85}']);
    let is_all = after.is_empty() && cells[index + 1..].iter().all(|cell| cell.is_empty());
    // Each row adds one cell fewer than the header has, because its first cell is joined to the one before. A name that
    // merely looks like a line end, as in `home\number`, is followed by no rows.
    let more = cells.len() - 1 - index;
    has_username && !is_all && (index == 0 || more > 0 && more.is_multiple_of(index))
}

/// Whether data follows the known columns at the start of the line.
fn has_rows_after_columns(cells: &[&str], tables: &ColumnTables) -> bool {
    let columns = cells.iter().take_while(|name| tables.field_named(name).is_some()).count();
    let (header, rest) = cells.split_at(columns);
    let named: Vec<Field> = header.iter().filter_map(|name| tables.field_named(name)).collect();
    if named.contains(&Field::Username) && rest.iter().any(|cell| is_data(cell)) {
        return true;
    }
    // The header's last name and the first cell of the first row have become one cell: `staffmember p.lund`. Then each row
    // adds one cell fewer than the header has.
    let Some(joined) = rest.first().and_then(|cell| tables.field_begun_by(cell)) else { return false };
    if named.is_empty() {
        return joined == Field::Username && rest.len() == 1 && rest[0].contains(char::is_whitespace);
    }
    let more = cells.len() - 1;
    named.contains(&Field::Username)
        && !named.contains(&joined)
        && more.is_multiple_of(columns)
        && more >= 2 * columns
}

/// Whether a cell is a value rather than the name of a column.
pub(super) fn is_data(cell: &str) -> bool {
    const BOOLEANS: [&str; 6] = ["y", "n", "yes", "no", "true", "false"];
    cell.contains('@')
        || !cell.is_empty() && cell.bytes().all(|byte| byte.is_ascii_digit())
        || BOOLEANS.iter().any(|word| cell.eq_ignore_ascii_case(word))
}
