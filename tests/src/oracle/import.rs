//! Imports a file: each step of §3–§5 in order.

use super::answer::Answer;
use super::encoding::decode;
use super::endpoint::Endpoint;
use super::header::{ImportKind, import_kind};
use super::records::read_records;
use super::rows::Outcome;
use super::tenant::Tenant;

impl Tenant {
    /// Applies a file and returns the answer that a plain POST of it would get.
    pub fn apply(&mut self, endpoint: Endpoint, bytes: &[u8], charset: Option<&str>) -> Answer {
        let text = match decode(bytes, charset) {
            Ok(text) => text,
            Err(reason) => return Answer::refused(&reason),
        };
        let mut records = read_records(&text).into_iter();
        let Some(header) = records.next() else {
            return Answer::finished(&[]);
        };
        if header.unclosed_quote {
            return Answer::refused("The header line has a quote that never closes.");
        }
        let kind = match import_kind(endpoint, &header.cells) {
            Ok(kind) => kind,
            Err(reason) => return Answer::refused(&reason),
        };
        let outcomes: Vec<Outcome> = records
            .map(|row| match &kind {
                _ if row.unclosed_quote => Outcome::Failed("Row has a quote that never closes. ".to_owned()),
                ImportKind::Users(columns) => self.apply_user_row(columns, &row.cells),
                ImportKind::Groups(columns) => self.apply_group_row(columns, &row.cells),
            })
            .collect();
        Answer::finished(&outcomes)
    }
}
