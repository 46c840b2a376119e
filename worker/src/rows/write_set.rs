//! What the rows of a chunk may write: the users and barcodes by which chunks are kept apart.

use super::key_hash::{HashedKeys, key_hash};

/// The users that a chunk's rows name and the barcodes that they claim, as hashes. Two that share a hash are treated as
/// the same, which costs nothing but time.
#[derive(Debug, Default)]
pub struct WriteSet {
    users: HashedKeys,
    barcodes: HashedKeys,
}

impl WriteSet {
    /// A row names this user. Returns the user's hash, and whether this is the first row to name the user.
    pub fn add_user(&mut self, username_key: &str) -> (u64, bool) {
        let hash = key_hash(username_key);
        (hash, self.users.insert(hash))
    }

    /// A row claims this barcode. Returns its hash.
    pub fn add_barcode(&mut self, barcode: &str) -> u64 {
        let hash = key_hash(barcode);
        self.barcodes.insert(hash);
        hash
    }

    pub fn has_user(&self, username_key: &str) -> bool {
        self.users.contains(&key_hash(username_key))
    }

    pub fn overlaps(&self, other: &Self) -> bool {
        !self.users.is_disjoint(&other.users) || !self.barcodes.is_disjoint(&other.barcodes)
    }
}
