//! Rows of a group import on their way to the merge.

use super::check::check;
use super::row::MembershipRow;
use crate::read::batch::RecordBatch;
use crate::read::record::Record;
use crate::rows::header::Columns;
use crate::rows::write_set::WriteSet;

/// Consecutive rows of a group import.
#[derive(Debug)]
pub struct MembershipChunk {
    records: RecordBatch,
    columns: Columns,
}

impl MembershipChunk {
    pub fn new(columns: &Columns) -> Self {
        Self { records: RecordBatch::default(), columns: columns.clone() }
    }

    pub fn push(&mut self, record: &Record<'_>, write_set: &mut WriteSet) {
        if let Some(username) = check(record, &self.columns).username {
            write_set.add_user(&username.key);
        }
        self.records.push(record);
    }

    pub fn len(&self) -> usize {
        self.records.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The checked rows, in file order.
    pub fn rows(&self) -> impl Iterator<Item = MembershipRow<'_>> {
        self.records.iter().map(|record| check(&record, &self.columns))
    }
}
