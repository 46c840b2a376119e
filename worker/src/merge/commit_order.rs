//! The chunks of one import that are being merged side by side, so that the outcome is still that of one after another.
//!
//! The rule: a chunk is begun beside earlier ones only if it write_set no user and no barcode that they touch. What this
//! cannot foresee (a barcode that an earlier chunk's user gives up, a group that an earlier one makes) the merge
//! notices: it is [too early](crate::merge::chunk::Merged::TooEarly), and begins again when its turn has come. Chunks commit in
//! the order of the file, so that what is committed is always the file's beginning, and the cursor one number.
//!
//! No deadlock. Outside the database a chunk waits for its turn, which is for earlier chunks only. Inside it, no chunk
//! in flight waits for another: they write different users, claim different barcodes and put different users into
//! groups, only the one whose turn it is makes groups or locks the import's row, and the groups that they refer to they
//! lock in a shared mode. Whoever else writes users (the operator's command, the hasher) waits for no chunk while
//! holding what a chunk could want. Only the tenant's next import may, when this one was cancelled or taken over amid a
//! chunk: a chunk that waits for its turn asks each second whether that is so, and lets go.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use tokio::sync::watch;

/// Whom and what a chunk's rows may touch, as hashes: two that share one are taken for the same, which costs time only.
#[derive(Debug, Default)]
pub struct WriteSet {
    users: HashSet<u64>,
    barcodes: HashSet<u64>,
}

impl WriteSet {
    /// A row names this user. Returns the hash it is known by here, and whether it is the first row to do so.
    pub fn user(&mut self, username_key: &str) -> (u64, bool) {
        let hash = hash(username_key);
        (hash, self.users.insert(hash))
    }

    /// A row claims this barcode.
    pub fn barcode(&mut self, barcode: &str) {
        self.barcodes.insert(hash(barcode));
    }

    /// Whether a row names this user.
    pub fn has_user(&self, username_key: &str) -> bool {
        self.users.contains(&hash(username_key))
    }

    fn overlaps(&self, other: &Self) -> bool {
        !self.users.is_disjoint(&other.users) || !self.barcodes.is_disjoint(&other.barcodes)
    }
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// The chunks that were begun and have not committed.
#[derive(Debug)]
pub struct CommitOrder {
    begun: u64,
    committed: watch::Sender<u64>,
    /// With each chunk's number, counted from 0 within the attempt.
    chunks: Vec<(u64, Arc<WriteSet>)>,
}

impl Default for CommitOrder {
    fn default() -> Self {
        Self { begun: 0, committed: watch::channel(0).0, chunks: Vec::new() }
    }
}

impl CommitOrder {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.chunks.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Whether one of them write_set what this chunk does.
    pub fn overlaps(&self, write_set: &WriteSet) -> bool {
        self.chunks.iter().any(|(_, other)| other.overlaps(write_set))
    }

    /// Begins the next chunk of the file, which must overlap with none of them.
    pub fn begin(&mut self, write_set: &Arc<WriteSet>) -> CommitTicket {
        let ticket = CommitTicket {
            number: self.begun,
            committed: self.committed.clone(),
            earlier: self.chunks.iter().map(|(_, write_set)| Arc::clone(write_set)).collect(),
        };
        self.chunks.push((self.begun, Arc::clone(write_set)));
        self.begun += 1;
        ticket
    }

    /// Forgets those that have committed.
    pub fn clear_committed(&mut self) {
        let committed = *self.committed.borrow();
        self.chunks.retain(|(number, _)| *number >= committed);
    }
}

/// A chunk's ticket among those in flight.
#[derive(Debug)]
pub struct CommitTicket {
    number: u64,
    committed: watch::Sender<u64>,
    /// What the chunks touch that had not committed when this one was begun.
    earlier: Vec<Arc<WriteSet>>,
}

impl CommitTicket {
    /// Waits until every earlier chunk has committed.
    pub async fn predecessors_committed(&self) {
        let mut committed = self.committed.subscribe();
        // The sender is our own: it cannot be gone.
        let _ = committed.wait_for(|committed| *committed == self.number).await;
    }

    /// Waits for the turn; from then on there is nothing that this chunk could be too early for.
    pub async fn wait_for_predecessors(&mut self) {
        self.predecessors_committed().await;
        self.earlier.clear();
    }

    /// What chunks touch that may not have committed.
    pub fn predecessors(&self) -> &[Arc<WriteSet>] {
        &self.earlier
    }

    /// The chunk has committed: it is the next one's turn.
    pub fn mark_committed(self) {
        self.committed.send_replace(self.number + 1);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn write_set(users: &[&str], barcodes: &[&str]) -> Arc<WriteSet> {
        let mut write_set = WriteSet::default();
        for user in users {
            write_set.user(user);
        }
        for barcode in barcodes {
            write_set.barcode(barcode);
        }
        Arc::new(write_set)
    }

    #[test]
    fn chunks_that_share_a_user_or_a_barcode_overlap() {
        let mut commit_order = CommitOrder::default();
        let ticket = commit_order.begin(&write_set(&["jane", "john"], &["1"]));
        assert!(commit_order.overlaps(&write_set(&["john"], &[])));
        assert!(commit_order.overlaps(&write_set(&["mary"], &["1"])));
        // A user is no barcode.
        assert!(!commit_order.overlaps(&write_set(&["mary", "1"], &["2", "jane"])));
        ticket.mark_committed();
        commit_order.clear_committed();
        assert!(!commit_order.overlaps(&write_set(&["john"], &["1"])));
        assert!(commit_order.is_empty());
    }

    #[test]
    fn chunks_commit_in_the_order_in_which_they_were_begun() {
        let mut commit_order = CommitOrder::default();
        let first = commit_order.begin(&write_set(&["jane"], &[]));
        let mut second = commit_order.begin(&write_set(&["john"], &[]));
        let third = commit_order.begin(&write_set(&["mary"], &[]));
        assert_eq!((first.predecessors().len(), second.predecessors().len(), third.predecessors().len()), (0, 1, 2));
        assert!(first.predecessors_committed().now_or_never().is_some());
        assert!(second.predecessors_committed().now_or_never().is_none());
        first.mark_committed();
        assert!(third.predecessors_committed().now_or_never().is_none());
        assert!(second.wait_for_predecessors().now_or_never().is_some());
        assert!(second.predecessors().is_empty());
        second.mark_committed();
        assert!(third.predecessors_committed().now_or_never().is_some());
        commit_order.clear_committed();
        assert_eq!(commit_order.len(), 1);
    }
}
