//! What merging the rows of a chunk produced.

use rollcall_schema::imports::outcomes::ChunkOutcomes;

/// Each row of a chunk has its outcome, in a transaction that has not committed yet.
#[derive(Debug)]
pub struct MergedRows {
    pub outcomes: ChunkOutcomes,
    /// How many passwords the rows have sealed, which are to be hashed later.
    pub sealed_passwords: u64,
    /// How many presentation groups the rows have made.
    pub new_groups: u64,
    /// What the sender should know of rows that did not fail, as sentences.
    pub warnings: Vec<String>,
}
