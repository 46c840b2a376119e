//! The order in which the chunks of one import commit, and which of them may be merged at the same time. The rules and
//! their proof are in [`crate::merge`].

use std::sync::Arc;

use tokio::sync::watch;

use crate::rows::write_set::WriteSet;

/// The chunks of an attempt that were started and have not committed.
#[derive(Debug)]
pub struct CommitOrder {
    /// How many chunks were started.
    started: u64,
    /// How many chunks have committed.
    committed: watch::Sender<u64>,
    /// Each with its number, counted from 0 within the attempt.
    pending: Vec<(u64, Arc<WriteSet>)>,
}

impl Default for CommitOrder {
    fn default() -> Self {
        Self { started: 0, committed: watch::channel(0).0, pending: Vec::new() }
    }
}

impl CommitOrder {
    /// How many chunks are pending.
    pub fn len(&self) -> usize {
        self.pending.len()
    }

    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Whether a pending chunk may write what this chunk may write.
    pub fn overlaps(&self, write_set: &WriteSet) -> bool {
        self.pending.iter().any(|(_, other)| other.overlaps(write_set))
    }

    /// Starts the next chunk of the file. It must not overlap with any pending chunk.
    pub fn start(&mut self, write_set: &Arc<WriteSet>) -> CommitTicket {
        let ticket = CommitTicket {
            number: self.started,
            committed: self.committed.clone(),
            predecessors: self.pending.iter().map(|(_, write_set)| Arc::clone(write_set)).collect(),
        };
        self.pending.push((self.started, Arc::clone(write_set)));
        self.started += 1;
        ticket
    }

    /// Removes the chunks that have committed.
    pub fn remove_committed(&mut self) {
        let committed = *self.committed.borrow();
        self.pending.retain(|(number, _)| *number >= committed);
    }
}

/// A chunk's place in the commit order.
#[derive(Debug)]
pub struct CommitTicket {
    number: u64,
    committed: watch::Sender<u64>,
    /// The write sets of the chunks that were pending when this one was started.
    predecessors: Vec<Arc<WriteSet>>,
}

impl CommitTicket {
    /// Resolves when every earlier chunk has committed.
    pub async fn predecessors_committed(&self) {
        let mut committed = self.committed.subscribe();
        // Cannot fail: the ticket holds a sender itself.
        let _ = committed.wait_for(|committed| *committed == self.number).await;
    }

    /// Waits for every earlier chunk to commit. From then on the chunk has no predecessors.
    pub async fn wait_for_predecessors(&mut self) {
        self.predecessors_committed().await;
        self.predecessors.clear();
    }

    /// The write sets of the earlier chunks that may not have committed.
    pub fn predecessors(&self) -> &[Arc<WriteSet>] {
        &self.predecessors
    }

    /// The chunk has committed: the next one may.
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
            write_set.add_user(user);
        }
        for barcode in barcodes {
            write_set.add_barcode(barcode);
        }
        Arc::new(write_set)
    }

    #[test]
    fn chunks_that_share_a_user_or_a_barcode_overlap() {
        let mut order = CommitOrder::default();
        let ticket = order.start(&write_set(&["jane", "john"], &["1"]));
        assert!(order.overlaps(&write_set(&["john"], &[])));
        assert!(order.overlaps(&write_set(&["mary"], &["1"])));
        // A user is no barcode.
        assert!(!order.overlaps(&write_set(&["mary", "1"], &["2", "jane"])));
        ticket.mark_committed();
        order.remove_committed();
        assert!(!order.overlaps(&write_set(&["john"], &["1"])));
        assert!(order.is_empty());
    }

    #[test]
    fn chunks_commit_in_the_order_in_which_they_were_started() {
        let mut order = CommitOrder::default();
        let first = order.start(&write_set(&["jane"], &[]));
        let mut second = order.start(&write_set(&["john"], &[]));
        let third = order.start(&write_set(&["mary"], &[]));
        assert_eq!(
            (first.predecessors().len(), second.predecessors().len(), third.predecessors().len()),
            (0, 1, 2)
        );
        assert!(first.predecessors_committed().now_or_never().is_some());
        assert!(second.predecessors_committed().now_or_never().is_none());
        first.mark_committed();
        assert!(third.predecessors_committed().now_or_never().is_none());
        assert!(second.wait_for_predecessors().now_or_never().is_some());
        assert!(second.predecessors().is_empty());
        second.mark_committed();
        assert!(third.predecessors_committed().now_or_never().is_some());
        order.remove_committed();
        assert_eq!(order.len(), 1);
    }
}
