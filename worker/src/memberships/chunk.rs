//! Rows of a group import on their way to the merge.

use super::check::check;
use super::row::MembershipRow;
use crate::read::batch::RecordBatch;
use crate::rows::header::Columns;
use crate::rows::write_set::WriteSet;

/// Consecutive rows of a group import.
#[derive(Debug)]
pub struct MembershipChunk {
    records: RecordBatch,
    columns: Columns,
}

impl MembershipChunk {
    /// The next rows of the file. Adds the users that they name to the write set.
    pub fn new(records: RecordBatch, columns: &Columns, write_set: &mut WriteSet) -> Self {
        for record in records.iter() {
            if let Some(username) = check(&record, columns).username {
                write_set.add_user(&username.key);
            }
        }
        Self { records, columns: columns.clone() }
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
