//! Prints the result of a command as text or JSON. Knows nothing of tenants, groups or imports.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use serde::Serialize;

#[derive(Debug, Clone, Copy)]
pub struct Output {
    pub json: bool,
}

impl Output {
    /// Prints `value` as one line of JSON with `--json`, else the text that `text` returns.
    pub fn print(self, value: &impl Serialize, text: impl FnOnce() -> String) -> io::Result<()> {
        let mut printed = if self.json { serde_json::to_string(value)? } else { text() };
        if !printed.ends_with('\n') {
            printed.push('\n');
        }
        let mut out = io::stdout().lock();
        match out.write_all(printed.as_bytes()).and_then(|()| out.flush()) {
            // The reader has closed the pipe early, as `| head` does.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written,
        }
    }
}

/// Formats a table. Each column is as wide as its widest cell; two spaces separate the columns.
pub fn table<const N: usize>(header: [&str; N], rows: &[[String; N]]) -> String {
    let header = header.map(str::to_owned);
    let rows: Vec<[String; N]> =
        std::iter::once(&header).chain(rows).map(|row| row.each_ref().map(|cell| printable(cell))).collect();
    let mut widths = [0; N];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for row in &rows {
        let line = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect::<Vec<_>>()
            .join("  ");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Formats properties as lines of the form `NAME: VALUE`, with aligned values.
pub fn fields(fields: &[(&str, String)]) -> String {
    let width = fields.iter().map(|(name, _)| name.chars().count() + 1).max().unwrap_or(0);
    fields.iter().fold(String::new(), |mut text, (name, value)| {
        let name = format!("{name}:");
        let _ = writeln!(text, "{name:width$} {}", printable(value));
        text
    })
}

/// Replaces control characters in text from a file or a client, so that it cannot control the terminal.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_with_their_headings() {
        let rows = [["école".to_owned(), "1".to_owned()], ["a".to_owned(), "22".to_owned()]];
        assert_eq!(table(["NAME", "N"], &rows), "NAME   N\nécole  1\na      22\n");
        assert_eq!(table(["NAME"], &[]), "NAME\n");
    }

    #[test]
    fn fields_are_aligned_and_cannot_control_the_terminal() {
        assert_eq!(
            fields(&[("state", "running".to_owned()), ("ignored columns", "a\u{1b}[2J".to_owned())]),
            "state:           running\nignored columns: a\u{fffd}[2J\n"
        );
    }
}
