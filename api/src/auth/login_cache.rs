//! Logins that were verified a short while ago, so that a script that polls is not hashed with each request.
//!
//! Nothing here can be turned back into a password: only a keyed digest is kept, under a key that dies with the
//! process. What is stored of the password is part of it, so a changed password is unknown here at once.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit as _, Mac as _};
use rollcall_schema::ids::{TenantId, UserId};
use sha2::Sha256;

/// Logins remembered at most: some hundred KiB.
const CAPACITY: usize = 8192;

/// The logins verified of late.
pub struct LoginCache {
    key: [u8; 32],
    memory: Duration,
    ends: Mutex<HashMap<Login, Instant>>,
}

/// A login: tenant, user, what is stored of the password, and the password; as a keyed digest.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Login([u8; 32]);

impl LoginCache {
    /// None yet; each will be remembered for `memory`.
    pub fn new(memory: Duration) -> Self {
        Self { key: rand::random(), memory, ends: Mutex::default() }
    }

    /// What a login is remembered by. `stored` is the password's hash or seal.
    pub fn key(&self, tenant: TenantId, user: UserId, stored: &[u8], password: &[u8]) -> Login {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes a key of any length");
        mac.update(tenant.as_bytes());
        mac.update(user.as_bytes());
        // The length keeps the boundary between the two.
        mac.update(&(stored.len() as u64).to_be_bytes());
        mac.update(stored);
        mac.update(password);
        Login(mac.finalize().into_bytes().into())
    }

    /// Whether this login was verified and is remembered.
    pub fn contains(&self, login: &Login, now: Instant) -> bool {
        self.ends().get(login).is_some_and(|end| *end > now)
    }

    /// This login was verified.
    pub fn insert(&self, login: Login, now: Instant) {
        let mut ends = self.ends();
        if ends.len() >= CAPACITY {
            ends.retain(|_, end| *end > now);
        }
        // Beyond that a login costs its hash each time, and nothing else.
        if ends.len() < CAPACITY {
            ends.insert(login, now + self.memory);
        }
    }

    fn ends(&self) -> MutexGuard<'_, HashMap<Login, Instant>> {
        // The map is whole between any two statements, whatever panicked.
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_known_until_its_time_is_over_or_anything_of_it_changed() {
        let memory = Duration::from_mins(5);
        let (verified, now) = (LoginCache::new(memory), Instant::now());
        let (tenant, user) = (TenantId::generate(), UserId::generate());
        let login = verified.key(tenant, user, b"hash", b"swordfish");
        assert!(!verified.contains(&login, now));
        verified.insert(login, now);
        assert!(verified.contains(&verified.key(tenant, user, b"hash", b"swordfish"), now));
        assert!(!verified.contains(&login, now + memory));
        for other in [
            verified.key(TenantId::generate(), user, b"hash", b"swordfish"),
            verified.key(tenant, UserId::generate(), b"hash", b"swordfish"),
            verified.key(tenant, user, b"hash2", b"swordfish"),
            verified.key(tenant, user, b"hash", b"sword"),
            verified.key(tenant, user, b"hashs", b"wordfish"),
        ] {
            assert!(!verified.contains(&other, now));
        }
    }
}
