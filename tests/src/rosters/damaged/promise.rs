//! What an import of a damaged roster into an empty tenant must not lose.

use std::collections::BTreeMap;

use serde_json::Value;

use super::roster::{DamagedRoster, Row};
use crate::oracle::{User, username_key};

impl DamagedRoster {
    /// What is wrong with the outcome of an import: its answer, and the users that it created by their keys.
    ///
    /// A refusal (400) loses nothing: its sender knows. Nothing is said of a roster whose header is damaged, which may lose a
    /// column, nor of one that is no longer mostly UTF-8 (see [`is_judged`](Self::is_judged)).
    pub fn losses(&self, status: u16, body: &str, users: &BTreeMap<String, User>) -> Vec<String> {
        let mut losses = Vec::new();
        if status == 400 {
            if !users.is_empty() {
                losses.push("the file was refused, but users were created".to_owned());
            }
            return losses;
        }
        let Some(answer) = AnswerCounts::parse(status, body) else {
            return vec![format!("the answer is no result: {status} {body}")];
        };
        if answer.created + answer.updated + answer.failed != answer.processed {
            losses.push("the rows of the summary do not add up".to_owned());
        }
        let all_rows: Vec<String> = (1..=answer.processed).map(|row| row.to_string()).collect();
        if answer.details != (answer.failed > 0).then_some(all_rows) {
            losses
                .push("the details do not list every row in its order, or list them without need".to_owned());
        }
        if answer.created != users.len() {
            losses.push(format!("{} users, but {} created", users.len(), answer.created));
        }
        if !self.is_judged() {
            return losses;
        }
        for row in self.certain_rows() {
            let found = users.get(&username_key(&row.user.username));
            if found != Some(&row.user) {
                losses.push(format!("an undamaged row wanted {:?}, there is {found:?}", row.user));
            }
        }
        // A row that succeeds swallows no other.
        let lines = self.row_starts().len();
        if answer.failed == 0 && answer.processed < lines {
            losses.push(format!("{lines} lines begin a row, {} rows are processed", answer.processed));
        }
        losses
    }

    /// Whether the header is undamaged, and the bytes are still UTF-8 by weight: if more than half of what is not ASCII is
    /// not UTF-8, the file is read as Windows-1252, as the contract wants it.
    pub fn is_judged(&self) -> bool {
        let bytes = self.damaged_bytes();
        let invalid = bytes.utf8_chunks().filter(|chunk| !chunk.invalid().is_empty()).count();
        let valid: usize =
            bytes.utf8_chunks().map(|chunk| chunk.valid().chars().filter(|c| !c.is_ascii()).count()).sum();
        !self.header.is_damaged() && valid >= invalid
    }

    /// The rows that the damage has left alone and that no damaged row can touch: none of them may name the same user or
    /// claim the same barcode, since rows apply in their order and a barcode has one owner.
    pub fn certain_rows(&self) -> Vec<&Row> {
        let starts = self.row_starts();
        let (undamaged, damaged): (Vec<_>, Vec<_>) = self.rows.iter().enumerate().partition(|(at, row)| {
            // A line that lost its end has run into the next one.
            !row.part.is_damaged() && starts.contains(at)
        });
        let damaged: Vec<u8> = damaged.into_iter().flat_map(|(_, row)| row.part.damaged.clone()).collect();
        // The quotes of `"k.ø"vre` are no part of the name.
        let damaged = username_key(&String::from_utf8_lossy(&damaged).replace('"', ""));
        let is_mentioned = |name: &str| damaged.contains(&username_key(name));
        undamaged
            .into_iter()
            .map(|(_, row)| row)
            .filter(|row| !is_mentioned(&row.user.username))
            .filter(|row| !row.user.library_barcode.as_deref().is_some_and(is_mentioned))
            .collect()
    }

    /// The rows whose first line begins a line of the damaged file, is not blank and has not lost a delimiter. A line that has
    /// is a fragment: where a stray quote before it closes after it, it may as well be a line of that cell.
    pub fn row_starts(&self) -> Vec<usize> {
        let mut starts = Vec::new();
        let mut before = self.header.damaged.last();
        for (at, row) in self.rows.iter().enumerate() {
            let bytes = &row.part.damaged;
            let first_line = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
            let is_blank = String::from_utf8_lossy(first_line).chars().all(|c| {
                c.is_whitespace() || matches!(c, '"' | '=' | '\0' | '\u{1A}') || c == self.delimiter
            });
            let delimiters = |line: &[u8]| {
                let first = line.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
                String::from_utf8_lossy(first).matches(self.delimiter).count()
            };
            let is_fragment = delimiters(bytes) < delimiters(&row.part.good);
            if is_fragment {
                before = bytes.last().or(before);
                continue;
            }
            if before.is_none_or(|byte| matches!(byte, b'\r' | b'\n')) && !is_blank {
                starts.push(at);
            }
            before = bytes.last().or(before);
        }
        starts
    }
}

struct AnswerCounts {
    processed: usize,
    created: usize,
    updated: usize,
    failed: usize,
    /// The keys of `details` in their order.
    details: Option<Vec<String>>,
}

impl AnswerCounts {
    fn parse(status: u16, body: &str) -> Option<Self> {
        let json: Value = serde_json::from_str(body).ok().filter(|_| status == 200)?;
        let counts: Vec<usize> = json["summary"]
            .as_str()?
            .split_terminator('.')
            .map(|sentence| sentence.split_whitespace().next()?.parse().ok())
            .collect::<Option<_>>()?;
        let [processed, created, updated, failed] = counts[..] else { return None };
        // The order of keys is that of the text, which a map of serde_json need not keep.
        let details = json.get("details").map(|details| {
            let mut rows: Vec<String> =
                details.as_object().into_iter().flat_map(|rows| rows.keys().cloned()).collect();
            rows.sort_by_key(|row| body.find(&format!(r#""{row}":"#)));
            rows
        });
        (json["success"] == (failed == 0)).then_some(Self { processed, created, updated, failed, details })
    }
}
