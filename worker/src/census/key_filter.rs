//! A set of keys in 12 bits for each, of which it forgets none.

/// Bits for each expected key. With two of them set for each, a filter that holds all expected keys takes one other key in
/// twenty for one of them.
const BITS_PER_KEY: usize = 12;

/// A Bloom filter of keys, by their hash.
#[derive(Debug)]
pub struct KeyFilter {
    words: Vec<u64>,
}

impl KeyFilter {
    /// A filter for this many keys. More can be added, and then it is wrong more often.
    pub fn new(expected: usize) -> Self {
        Self { words: vec![0; expected.saturating_mul(BITS_PER_KEY) / 64 + 1] }
    }

    pub fn insert(&mut self, hash: u64) {
        let (word, bits) = self.place(hash);
        self.words[word] |= bits;
    }

    /// False only if the key was not inserted.
    pub fn may_contain(&self, hash: u64) -> bool {
        let (word, bits) = self.place(hash);
        self.words[word] & bits == bits
    }

    /// Two bits of one word, so that the memory is waited for once.
    fn place(&self, hash: u64) -> (usize, u64) {
        // The upper half of the hash, scaled to the number of words.
        let word = (((hash >> 32) * self.words.len() as u64) >> 32) as usize;
        (word, 1 << (hash & 63) | 1 << (hash >> 6 & 63))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::key_hash::key_hash;

    #[test]
    fn no_key_is_forgotten_and_few_are_taken_for_another() {
        let hash = |number: u32| key_hash(&format!("user{number}"));
        let mut filter = KeyFilter::new(10_000);
        (0..10_000).for_each(|number| filter.insert(hash(number)));
        assert!((0..10_000).all(|number| filter.may_contain(hash(number))));
        let mistaken = (10_000..20_000).filter(|number| filter.may_contain(hash(*number))).count();
        assert!(mistaken < 700, "{mistaken} of 10000");
    }

    #[test]
    fn a_filter_for_nothing_holds_keys_too() {
        let mut filter = KeyFilter::new(0);
        assert!(!filter.may_contain(7));
        filter.insert(7);
        assert!(filter.may_contain(7));
    }
}
