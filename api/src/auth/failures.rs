//! Counts failed logins within a window of time.
//!
//! The `governor` crate does not fit: it limits the rate of all requests, whereas here only failures count and a success
//! resets them.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// Maximum number of keys: some hundred KiB.
const CAPACITY: usize = 8192;

/// Counts failures by key. A key is *failing* once it has reached the limit, until its window ends.
pub struct FailureCounter<K> {
    limit: u32,
    length: Duration,
    windows: HashMap<K, Window>,
}

/// That a key is failing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failing {
    /// Until its failures are forgotten.
    pub left: Duration,
    /// How many times it has reached the limit.
    pub times: u32,
}

struct Window {
    failures: u32,
    ends: Instant,
}

impl<K: Hash + Eq + Copy> FailureCounter<K> {
    pub fn new(limit: u32, length: Duration) -> Self {
        Self { limit, length, windows: HashMap::new() }
    }

    /// Whether and how the key is failing.
    pub fn failing(&self, key: &K, now: Instant) -> Option<Failing> {
        let window = self.windows.get(key).filter(|window| window.failures >= self.limit)?;
        let left = window.ends.checked_duration_since(now).filter(|left| !left.is_zero())?;
        Some(Failing { left, times: window.failures / self.limit })
    }

    /// Whether the key has reached this part of its limit.
    pub fn has_reached(&self, part: u32, key: &K, now: Instant) -> bool {
        let window = self.windows.get(key).filter(|window| window.ends > now);
        window.is_some_and(|window| window.failures.saturating_mul(part) >= self.limit)
    }

    /// Counts a failure. Returns how the key was failing before it.
    pub fn record(&mut self, key: K, now: Instant) -> Option<Failing> {
        let before = self.failing(&key, now);
        if self.windows.len() >= CAPACITY && !self.windows.contains_key(&key) {
            self.make_room(now);
        }
        let window = self.windows.entry(key).or_insert(Window { failures: 0, ends: now + self.length });
        if window.ends <= now {
            *window = Window { failures: 0, ends: now + self.length };
        }
        window.failures = window.failures.saturating_add(1);
        before
    }

    /// Forgets a key's failures.
    pub fn reset(&mut self, key: &K) {
        self.windows.remove(key);
    }

    fn make_room(&mut self, now: Instant) {
        self.windows.retain(|_, window| window.ends > now);
        if self.windows.len() < CAPACITY {
            return;
        }
        // A flood of new keys must not drive out those that fail often.
        let least = self.windows.iter().min_by_key(|(_, window)| (window.failures, window.ends));
        if let Some(key) = least.map(|(key, _)| *key) {
            self.windows.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_mins(5);

    #[test]
    fn a_key_fails_from_its_limit_to_the_end_of_its_window() {
        let (mut counter, now) = (FailureCounter::new(3, WINDOW), Instant::now());
        for _ in 0..3 {
            assert_eq!(counter.failing(&"jane", now), None);
            assert_eq!(counter.record("jane", now), None);
        }
        let later = now + Duration::from_secs(100);
        let failing = |times| Some(Failing { left: Duration::from_secs(200), times });
        assert_eq!(counter.failing(&"jane", later), failing(1));
        for times in [1, 1, 1, 2, 2] {
            assert_eq!(counter.record("jane", later), failing(times));
        }
        assert_eq!(counter.failing(&"john", now), None);
        counter.record("john", now);
        assert!(counter.has_reached(3, &"john", now) && !counter.has_reached(2, &"john", now));
        assert!(!counter.has_reached(3, &"john", now + WINDOW));
        assert_eq!(counter.failing(&"jane", now + WINDOW), None);
        assert_eq!(counter.record("jane", now + WINDOW), None);
        counter.reset(&"jane");
        assert_eq!(counter.failing(&"jane", now), None);
    }

    #[test]
    fn failures_of_an_earlier_window_do_not_count() {
        let (mut counter, now) = (FailureCounter::new(3, WINDOW), Instant::now());
        counter.record("jane", now);
        counter.record("jane", now);
        counter.record("jane", now + WINDOW);
        assert_eq!(counter.failing(&"jane", now + WINDOW), None);
    }

    #[test]
    fn a_flood_of_keys_neither_grows_the_memory_nor_drives_out_what_fails() {
        let (mut counter, now) = (FailureCounter::new(3, WINDOW), Instant::now());
        for _ in 0..3 {
            counter.record(usize::MAX, now);
        }
        for key in 0..2 * CAPACITY {
            counter.record(key, now + Duration::from_secs(1));
        }
        assert_eq!(counter.windows.len(), CAPACITY);
        assert!(counter.failing(&usize::MAX, now).is_some());
    }
}
