//! The chunks of one import that are being merged side by side, so that the outcome is still that of one after another.
//!
//! The rule: a chunk is begun beside earlier ones only if it touches no user and no barcode that they touch. What this
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
pub struct Touches {
    users: HashSet<u64>,
    barcodes: HashSet<u64>,
}

impl Touches {
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
pub struct InFlight {
    begun: u64,
    committed: watch::Sender<u64>,
    /// With each chunk's number, counted from 0 within the attempt.
    chunks: Vec<(u64, Arc<Touches>)>,
}

impl Default for InFlight {
    fn default() -> Self {
        Self { begun: 0, committed: watch::channel(0).0, chunks: Vec::new() }
    }
}

impl InFlight {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.chunks.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Whether one of them touches what this chunk does.
    pub fn overlaps(&self, touches: &Touches) -> bool {
        self.chunks.iter().any(|(_, other)| other.overlaps(touches))
    }

    /// Begins the next chunk of the file, which must overlap with none of them.
    pub fn begin(&mut self, touches: &Arc<Touches>) -> Place {
        let place = Place {
            number: self.begun,
            committed: self.committed.clone(),
            earlier: self.chunks.iter().map(|(_, touches)| Arc::clone(touches)).collect(),
        };
        self.chunks.push((self.begun, Arc::clone(touches)));
        self.begun += 1;
        place
    }

    /// Forgets those that have committed.
    pub fn clear_committed(&mut self) {
        let committed = *self.committed.borrow();
        self.chunks.retain(|(number, _)| *number >= committed);
    }
}

/// A chunk's place among those in flight.
#[derive(Debug)]
pub struct Place {
    number: u64,
    committed: watch::Sender<u64>,
    /// What the chunks touch that had not committed when this one was begun.
    earlier: Vec<Arc<Touches>>,
}

impl Place {
    /// Waits until every earlier chunk has committed.
    pub async fn turn(&self) {
        let mut committed = self.committed.subscribe();
        // The sender is our own: it cannot be gone.
        let _ = committed.wait_for(|committed| *committed == self.number).await;
    }

    /// Waits for the turn; from then on there is nothing that this chunk could be too early for.
    pub async fn come_first(&mut self) {
        self.turn().await;
        self.earlier.clear();
    }

    /// What chunks touch that may not have committed.
    pub fn earlier(&self) -> &[Arc<Touches>] {
        &self.earlier
    }

    /// The chunk has committed: it is the next one's turn.
    pub fn leave(self) {
        self.committed.send_replace(self.number + 1);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn touches(users: &[&str], barcodes: &[&str]) -> Arc<Touches> {
        let mut touches = Touches::default();
        for user in users {
            touches.user(user);
        }
        for barcode in barcodes {
            touches.barcode(barcode);
        }
        Arc::new(touches)
    }

    #[test]
    fn chunks_that_share_a_user_or_a_barcode_overlap() {
        let mut in_flight = InFlight::default();
        let place = in_flight.begin(&touches(&["jane", "john"], &["1"]));
        assert!(in_flight.overlaps(&touches(&["john"], &[])));
        assert!(in_flight.overlaps(&touches(&["mary"], &["1"])));
        // A user is no barcode.
        assert!(!in_flight.overlaps(&touches(&["mary", "1"], &["2", "jane"])));
        place.leave();
        in_flight.clear_committed();
        assert!(!in_flight.overlaps(&touches(&["john"], &["1"])));
        assert!(in_flight.is_empty());
    }

    #[test]
    fn chunks_commit_in_the_order_in_which_they_were_begun() {
        let mut in_flight = InFlight::default();
        let first = in_flight.begin(&touches(&["jane"], &[]));
        let mut second = in_flight.begin(&touches(&["john"], &[]));
        let third = in_flight.begin(&touches(&["mary"], &[]));
        assert_eq!((first.earlier().len(), second.earlier().len(), third.earlier().len()), (0, 1, 2));
        assert!(first.turn().now_or_never().is_some());
        assert!(second.turn().now_or_never().is_none());
        first.leave();
        assert!(third.turn().now_or_never().is_none());
        assert!(second.come_first().now_or_never().is_some());
        assert!(second.earlier().is_empty());
        second.leave();
        assert!(third.turn().now_or_never().is_some());
        in_flight.clear_committed();
        assert_eq!(in_flight.len(), 1);
    }
}
