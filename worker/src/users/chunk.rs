//! Rows of a user import on their way to the merge: their records, and what is asked of the database first.

use std::collections::HashSet;

use uuid::Uuid;
use zeroize::Zeroizing;

use super::row_digest::RowDigester;
use super::check::check;
use super::columns::UserColumns;
use super::row::{Change, UserRow, UsernameCell};
use crate::merge::commit_order::WriteSet;
use crate::read::batch::RecordBatch;
use crate::read::records::Record;

/// Consecutive rows of a user import.
#[derive(Debug)]
pub struct UserChunk {
    records: RecordBatch,
    columns: UserColumns,
    /// The rows that have a username, in the order of the file.
    named: Vec<Named>,
    /// Their usernames' keys, one behind the other.
    keys: String,
    usernames: Span,
    barcodes: Span,
    /// Users that more than one row names, by their hash in [`WriteSet`].
    repeated: HashSet<u64>,
    /// Rows are written out here to be digested.
    scratch: Zeroizing<Vec<u8>>,
}

#[derive(Debug)]
struct Named {
    row: usize,
    key_end: usize,
    user: u64,
    digest: Option<Uuid>,
}

/// Where texts lie in the order of their bytes, which is also the database's order of them.
#[derive(Debug, Default)]
pub struct Span(Option<(String, String)>);

impl Span {
    fn cover(&mut self, text: &str) {
        match &mut self.0 {
            None => self.0 = Some((text.to_owned(), text.to_owned())),
            Some((least, _)) if text < least.as_str() => text.clone_into(least),
            Some((_, greatest)) if text > greatest.as_str() => text.clone_into(greatest),
            Some(_) => {}
        }
    }

    /// The least of them; an empty text, of which there is none in the database, if there is none.
    pub fn least(&self) -> &str {
        self.0.as_ref().map_or("", |(least, _)| least)
    }

    /// The greatest of them; an empty text if there is none.
    pub fn greatest(&self) -> &str {
        self.0.as_ref().map_or("", |(_, greatest)| greatest)
    }
}

/// A row that has a username.
#[derive(Debug, Clone, Copy)]
pub struct NamedRow<'a> {
    /// Its index in the chunk.
    pub row: usize,
    /// The username's key.
    pub key: &'a str,
    /// Its digest, if it may be skipped when it comes again.
    pub digest: Option<Uuid>,
    /// Whether no other row of the chunk names the same user: what it does depends on what is stored alone.
    pub alone: bool,
}

impl UserChunk {
    /// No row yet.
    pub fn new(columns: &UserColumns) -> Self {
        Self {
            records: RecordBatch::default(),
            columns: columns.clone(),
            named: Vec::new(),
            keys: String::new(),
            usernames: Span::default(),
            barcodes: Span::default(),
            repeated: HashSet::new(),
            scratch: Zeroizing::default(),
        }
    }

    /// Takes the next row.
    pub fn push(&mut self, record: &Record<'_>, digester: &RowDigester, write_set: &mut WriteSet) {
        let row = check(record, &self.columns);
        if let UsernameCell::Valid(username) = &row.username {
            let (user, is_first) = write_set.user(&username.key);
            if !is_first {
                self.repeated.insert(user);
            }
            self.usernames.cover(&username.key);
            self.keys.push_str(&username.key);
            self.named.push(Named {
                row: self.records.len(),
                key_end: self.keys.len(),
                user,
                digest: digester.digest(&row, &mut self.scratch),
            });
        }
        if let Change::Set(barcode) = row.library_barcode {
            write_set.barcode(barcode);
            self.barcodes.cover(barcode);
        }
        self.records.push(record);
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows that have a username, in the order of the file.
    pub fn named(&self) -> impl Iterator<Item = NamedRow<'_>> {
        let mut key_start = 0;
        self.named.iter().map(move |named| {
            let key = self.keys.get(key_start..named.key_end).unwrap_or_default();
            key_start = named.key_end;
            NamedRow {
                row: named.row,
                key,
                digest: named.digest,
                alone: !self.repeated.contains(&named.user),
            }
        })
    }

    /// Where the usernames' keys lie.
    pub fn usernames(&self) -> &Span {
        &self.usernames
    }

    /// Where the barcodes lie that the rows claim.
    pub fn barcodes(&self) -> &Span {
        &self.barcodes
    }

    /// The row at an index, checked once more: cheaper than to keep what came of the first time.
    pub fn row(&self, index: usize) -> Option<UserRow<'_>> {
        Some(check(&self.records.get(index)?, &self.columns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_lies_between_the_least_and_the_greatest() {
        let mut span = Span::default();
        assert_eq!((span.least(), span.greatest()), ("", ""));
        for text in ["m", "z", "Z", "é", "a"] {
            span.cover(text);
        }
        assert_eq!((span.least(), span.greatest()), ("Z", "é"));
    }
}
