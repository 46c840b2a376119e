//! Rows of a group import on their way to the merge.

use super::check::check;
use super::row::MembershipRow;
use super::user_ids::UserIds;
use crate::read::batch::RecordBatch;
use crate::rows::header::Columns;
use crate::rows::write_set::WriteSet;
use uuid::Uuid;

/// Consecutive rows of a group import.
#[derive(Debug)]
pub struct MembershipChunk {
    records: RecordBatch,
    columns: Columns,
    /// By the row's index: the id of its user, if a census knows it. Empty without a census.
    counted_users: Vec<Option<Uuid>>,
}

impl MembershipChunk {
    /// The next rows of the file. Adds the users that they name to the write set.
    pub fn new(
        records: RecordBatch,
        columns: &Columns,
        user_ids: Option<&UserIds>,
        write_set: &mut WriteSet,
    ) -> Self {
        let mut counted_users = Vec::new();
        for record in records.iter() {
            let username = check(&record, columns).username;
            if let Some(username) = &username {
                write_set.add_user(&username.key);
            }
            if let Some(user_ids) = user_ids {
                counted_users.push(username.and_then(|username| user_ids.find(&username.key)));
            }
        }
        Self { records, columns: columns.clone(), counted_users }
    }

    pub fn len(&self) -> usize {
        self.records.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The ids of the rows' users, as far as a census knows them. `None` without a census.
    pub fn counted_users(&self) -> Option<&[Option<Uuid>]> {
        (self.counted_users.len() == self.len()).then_some(&self.counted_users)
    }

    /// The checked rows, in file order.
    pub fn rows(&self) -> impl Iterator<Item = MembershipRow<'_>> {
        self.records.iter().map(|record| check(&record, &self.columns))
    }
}
