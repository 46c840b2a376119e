//! The hash by which keys are compared where a mistake costs time only.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, DefaultHasher, Hash as _, Hasher};

/// A set of hashes, which are not hashed again.
pub type HashedKeys = HashSet<u64, BuildHasherDefault<Identity>>;

/// A hasher for what is a hash already.
#[derive(Debug, Default)]
pub struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("a hash is a u64");
    }
}

/// The hash of a username key or of a barcode: the same in every process. Two keys may share one.
pub fn key_hash(key: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}
