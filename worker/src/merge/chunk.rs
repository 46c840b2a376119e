//! A chunk: consecutive rows of a file, which one transaction merges.

use std::sync::Arc;

use crate::memberships::chunk::MembershipChunk;
use crate::rows::write_set::WriteSet;
use crate::users::chunk::UserChunk;

/// Consecutive rows of a file.
#[derive(Debug)]
pub struct Chunk {
    /// The number of the first row, counted from 1.
    pub first_row: u64,
    pub rows: Rows,
    /// The users and barcodes that the rows may write.
    pub write_set: Arc<WriteSet>,
    /// What is odd about the rows as the file has them, as sentences for its sender.
    pub warnings: Vec<String>,
    /// Whether the file ends after these rows. Then the import finishes in this chunk's transaction.
    pub is_last: bool,
}

/// The rows of a chunk, all of one kind.
#[derive(Debug)]
pub enum Rows {
    /// The file is empty, or has only a header.
    None,
    Users(Box<UserChunk>),
    Memberships(Box<MembershipChunk>),
}

impl Rows {
    pub fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Users(rows) => rows.len(),
            Self::Memberships(rows) => rows.len(),
        }
    }

    /// The merge of these rows met something that their census has not.
    pub fn conflicted(&self) {
        if let Self::Memberships(rows) = self
            && let Some(counted) = rows.counted()
        {
            counted.census.distrust_memberships();
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
