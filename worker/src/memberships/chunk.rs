//! Rows of a group import on their way to the merge.

use super::check::check;
use super::columns::MembershipColumns;
use super::row::MembershipRow;
use crate::merge::commit_order::WriteSet;
use crate::read::batch::RecordBatch;
use crate::read::records::Record;

/// Consecutive rows of a group import.
#[derive(Debug)]
pub struct MembershipChunk {
    records: RecordBatch,
    columns: MembershipColumns,
}

impl MembershipChunk {
    /// No row yet.
    pub fn new(columns: &MembershipColumns) -> Self {
        Self { records: RecordBatch::default(), columns: columns.clone() }
    }

    /// Takes the next row.
    pub fn push(&mut self, record: &Record<'_>, write_set: &mut WriteSet) {
        if let Some(username) = check(record, &self.columns).username {
            write_set.user(&username);
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

    /// The rows, checked, in the order of the file.
    pub fn rows(&self) -> impl Iterator<Item = MembershipRow<'_>> {
        self.records.iter().map(|record| check(&record, &self.columns))
    }
}
