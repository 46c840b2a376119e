//! Hashes in ascending order, grouped so that one is found without a search among all of them.

use std::ops::Range;

/// Where in a list of hashes those begin that have the same first bits: some eight in each group. A search among all of them
/// would wait for the memory twenty times.
#[derive(Debug, Default)]
pub struct Groups {
    /// How far a hash is shifted to have only these bits left.
    shift: u32,
    /// Where each group begins, and the end of the last.
    starts: Vec<u32>,
}

impl Groups {
    /// Of hashes in ascending order, fewer than 2³².
    pub fn of(hashes: impl ExactSizeIterator<Item = u32>) -> Self {
        let length = hashes.len();
        let bits = (length / 8).max(1).ilog2().clamp(1, 31);
        let shift = u32::BITS - bits;
        let mut starts = Vec::with_capacity((1 << bits) + 1);
        for (index, hash) in hashes.enumerate() {
            let group = (hash >> shift) as usize;
            if starts.len() <= group {
                starts.resize(group + 1, u32::try_from(index).unwrap_or(u32::MAX));
            }
        }
        starts.resize((1 << bits) + 1, u32::try_from(length).unwrap_or(u32::MAX));
        Self { shift, starts }
    }

    /// Where a hash is in the list, if it is there.
    pub fn near(&self, hash: u32) -> Range<usize> {
        let group = (hash >> self.shift) as usize;
        match (self.starts.get(group), self.starts.get(group + 1)) {
            (Some(start), Some(end)) => *start as usize..*end as usize,
            _ => 0..0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hash_is_in_its_group() {
        for length in [0, 1, 7, 8, 100, 5_000] {
            let mut hashes: Vec<u32> = (0..length).map(|n: u32| n.wrapping_mul(2_654_435_761)).collect();
            hashes.sort_unstable();
            let groups = Groups::of(hashes.iter().copied());
            for hash in &hashes {
                let near = &hashes[groups.near(*hash)];
                assert!(near.contains(hash) && near.len() < 40, "{hash} of {length}: {near:?}");
            }
        }
    }
}
