//! Rows of a user import on their way to the merge: their records, and what the first queries of the merge need.

use uuid::Uuid;
use zeroize::Zeroizing;

use super::check::check;
use super::forecast::{Forecaster, UserForecast};
use super::row::{Change, UserRow, UsernameCell};
use super::row_digest::RowDigester;
use crate::read::batch::RecordBatch;
use crate::rows::header::Columns;
use crate::rows::key_hash::HashedKeys;
use crate::rows::write_set::WriteSet;

/// Consecutive rows of a user import.
#[derive(Debug)]
pub struct UserChunk {
    records: RecordBatch,
    columns: Columns,
    /// The rows that have a username, in file order.
    named: Vec<Named>,
    /// The keys of their usernames, concatenated.
    keys: String,
    usernames: KeyRange,
    barcodes: KeyRange,
    /// Users that more than one row names, by their hash.
    repeated: HashedKeys,
    /// By the row's index: whether it claims a barcode that no user has, by the forecast.
    claims_free_barcode: Vec<bool>,
    /// Whether the rows have forecasts.
    has_forecasts: bool,
}

#[derive(Debug)]
struct Named {
    row: usize,
    key_end: usize,
    user: u64,
    digest: Option<Uuid>,
    forecast: UserForecast,
}

/// The least and the greatest of some texts, in the order of their bytes, which is also the database's order.
#[derive(Debug, Default)]
pub struct KeyRange(Option<(String, String)>);

impl KeyRange {
    fn cover(&mut self, text: &str) {
        match &mut self.0 {
            None => self.0 = Some((text.to_owned(), text.to_owned())),
            Some((least, _)) if text < least.as_str() => text.clone_into(least),
            Some((_, greatest)) if text > greatest.as_str() => text.clone_into(greatest),
            Some(_) => {}
        }
    }

    /// The least text. If there is none: the empty text, which the database does not hold.
    pub fn least(&self) -> &str {
        self.0.as_ref().map_or("", |(least, _)| least)
    }

    /// The greatest text, or the empty text.
    pub fn greatest(&self) -> &str {
        self.0.as_ref().map_or("", |(_, greatest)| greatest)
    }
}

/// A row that has a username.
#[derive(Debug, Clone, Copy)]
pub struct NamedRow<'a> {
    /// The row's index in the chunk.
    pub row: usize,
    pub key: &'a str,
    /// The row's digest, if the row may be skipped when it is imported again.
    pub digest: Option<Uuid>,
    /// Whether no other row of the chunk names the same user. Then the row's effect depends only on what is stored.
    pub alone: bool,
    /// What the row's user will be.
    pub forecast: UserForecast,
}

impl UserChunk {
    /// The next rows of the file. `forecaster` has seen all rows before them. Adds what they may write to the write set.
    pub fn new(
        records: RecordBatch,
        columns: &Columns,
        digester: &RowDigester,
        mut forecaster: Option<&mut Forecaster>,
        write_set: &mut WriteSet,
    ) -> Self {
        let mut chunk = Self {
            columns: columns.clone(),
            named: Vec::with_capacity(records.len()),
            keys: String::new(),
            usernames: KeyRange::default(),
            barcodes: KeyRange::default(),
            repeated: HashedKeys::default(),
            claims_free_barcode: vec![false; records.len()],
            has_forecasts: forecaster.is_some(),
            records: RecordBatch::default(),
        };
        let mut scratch = Zeroizing::default();
        for (index, record) in records.iter().enumerate() {
            let row = check(&record, columns);
            let mut forecast = UserForecast::Unknown;
            if let UsernameCell::Valid(username) = &row.username {
                let (user, is_first) = write_set.add_user(&username.key);
                if !is_first {
                    chunk.repeated.insert(user);
                }
                let digest = digester.digest(&row, &mut scratch);
                if let Some(forecaster) = forecaster.as_deref_mut() {
                    forecast = forecaster.user(user, digest);
                }
                chunk.usernames.cover(&username.key);
                chunk.keys.push_str(&username.key);
                let key_end = chunk.keys.len();
                chunk.named.push(Named { row: index, key_end, user, digest, forecast });
            }
            if let Change::Set(barcode) = &row.library_barcode {
                let hash = write_set.add_barcode(barcode);
                chunk.barcodes.cover(barcode);
                if let Some(forecaster) = forecaster.as_deref_mut()
                    && forecast != UserForecast::Unchanged
                {
                    chunk.claims_free_barcode[index] = forecaster.is_barcode_free(hash);
                }
            }
        }
        chunk.records = records;
        chunk
    }

    pub fn len(&self) -> usize {
        self.records.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows that have a username, in file order.
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
                forecast: named.forecast,
            }
        })
    }

    pub fn has_forecasts(&self) -> bool {
        self.has_forecasts
    }

    /// Whether the row at an index claims a barcode that no user has, by the forecast.
    pub fn claims_free_barcode(&self, index: usize) -> bool {
        self.claims_free_barcode.get(index).copied().unwrap_or_default()
    }

    pub fn usernames(&self) -> &KeyRange {
        &self.usernames
    }

    pub fn barcodes(&self) -> &KeyRange {
        &self.barcodes
    }

    /// The row at an index. It is checked again, which is cheaper than storing the result of the first check.
    pub fn row(&self, index: usize) -> Option<UserRow<'_>> {
        Some(check(&self.records.get(index)?, &self.columns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_range_runs_from_the_least_to_the_greatest() {
        let mut range = KeyRange::default();
        assert_eq!((range.least(), range.greatest()), ("", ""));
        for text in ["m", "z", "Z", "é", "a"] {
            range.cover(text);
        }
        assert_eq!((range.least(), range.greatest()), ("Z", "é"));
    }
}
