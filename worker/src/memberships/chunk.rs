//! Rows of a group import on their way to the merge.

use std::sync::Arc;

use uuid::Uuid;

use super::census::Census;
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
    counted: Option<CountedRows>,
}

/// What a census knows of the rows.
#[derive(Debug)]
pub struct CountedRows {
    pub census: Arc<Census>,
    /// By the row's index: the id of its user, if it was counted.
    pub users: Vec<Option<Uuid>>,
}

impl MembershipChunk {
    /// The next rows of the file. Adds the users that they name to the write set.
    pub fn new(
        records: RecordBatch,
        columns: &Columns,
        census: Option<&Arc<Census>>,
        write_set: &mut WriteSet,
    ) -> Self {
        let mut counted = census.map(|census| CountedRows { census: Arc::clone(census), users: Vec::new() });
        for record in records.iter() {
            let username = check(&record, columns).username;
            if let Some(username) = &username {
                write_set.add_user(&username.key);
            }
            if let Some(CountedRows { census, users }) = &mut counted {
                users.push(username.and_then(|username| census.find_user(&username.key)));
            }
        }
        Self { records, columns: columns.clone(), counted }
    }

    pub fn len(&self) -> usize {
        self.records.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What a census knows of the rows, if one was taken.
    pub fn counted(&self) -> Option<&CountedRows> {
        self.counted.as_ref()
    }

    /// The checked rows, in file order.
    pub fn rows(&self) -> impl Iterator<Item = MembershipRow<'_>> {
        self.records.iter().map(|record| check(&record, &self.columns))
    }
}
