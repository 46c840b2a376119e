//! Hashes that stand for what was hashed.

use std::hash::{BuildHasher as _, Hash, RandomState};

/// Hashes to 128 bits, with keys that are random for each hasher: two values share them neither by chance nor by intent.
#[derive(Debug, Default)]
pub struct WideHasher([RandomState; 2]);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct WideHash([u64; 2]);

impl WideHasher {
    pub fn hash(&self, value: impl Hash) -> WideHash {
        WideHash(self.0.each_ref().map(|hasher| hasher.hash_one(&value)))
    }
}

impl WideHash {
    /// The bits by which hashes in ascending order are grouped.
    pub fn first_bits(self) -> u32 {
        (self.0[0] >> 32) as u32
    }
}
