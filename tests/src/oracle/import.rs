//! Imports a file: each step of §3–§5 in order.

use super::answer::Answer;
use super::contents::read_contents;
use super::encoding::decode;
use super::endpoint::Endpoint;
use super::header::{ImportKind, import_kind};
use super::records::lines;
use super::rows::Outcome;
use super::tenant::Tenant;

impl Tenant {
    /// Applies a file and returns the answer that a plain POST of it would get.
    pub fn apply(&mut self, endpoint: Endpoint, bytes: &[u8], charset: Option<&str>) -> Answer {
        self.new_groups = 0;
        let text = match decode(bytes, charset) {
            Ok(text) => text,
            Err(reason) => return Answer::refused(&reason),
        };
        let contents = match read_contents(&text) {
            Ok(Some(contents)) => contents,
            Ok(None) => return Answer::finished(&[], &[]),
            Err(reason) => return Answer::refused(&reason),
        };
        let kind = match import_kind(endpoint, &contents.header.cells) {
            Ok(kind) => kind,
            Err(reason) => return Answer::refused(&reason),
        };
        let outcomes: Vec<Outcome> = contents
            .rows
            .iter()
            .map(|row| match (&kind, row.problem) {
                (_, Some(problem)) => Outcome::Failed(problem.text().to_owned()),
                (ImportKind::Users(columns), None) => self.apply_user_row(columns, &row.cells),
                (ImportKind::Groups(columns), None) => self.apply_group_row(columns, &row.cells),
            })
            .collect();
        let line = |at| 1 + lines(&text.chars, 0, at).len();
        let lines: Vec<_> = contents.rows.iter().map(|row| line(row.from)..line(row.next)).collect();
        Answer::finished(&outcomes, &lines)
    }
}
