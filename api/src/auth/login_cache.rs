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
const REMEMBERED: usize = 8192;

/// The logins verified of late.
pub struct VerifiedLogins {
    key: [u8; 32],
    memory: Duration,
    ends: Mutex<HashMap<Login, Instant>>,
}

/// A login: tenant, user, what is stored of the password, and the password; as a keyed digest.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Login([u8; 32]);

impl VerifiedLogins {
    /// None yet; each will be remembered for `memory`.
    pub fn new(memory: Duration) -> Self {
        Self { key: rand::random(), memory, ends: Mutex::default() }
    }

    /// What a login is remembered by. `stored` is the password's hash or seal.
    pub fn login(&self, tenant: TenantId, user: UserId, stored: &[u8], password: &[u8]) -> Login {
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
    pub fn knows(&self, login: &Login, now: Instant) -> bool {
        self.ends().get(login).is_some_and(|end| *end > now)
    }

    /// This login was verified.
    pub fn remember(&self, login: Login, now: Instant) {
        let mut ends = self.ends();
        if ends.len() >= REMEMBERED {
            ends.retain(|_, end| *end > now);
        }
        // Beyond that a login costs its hash each time, and nothing else.
        if ends.len() < REMEMBERED {
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
        let (verified, now) = (VerifiedLogins::new(memory), Instant::now());
        let (tenant, user) = (TenantId::generate(), UserId::generate());
        let login = verified.login(tenant, user, b"hash", b"swordfish");
        assert!(!verified.knows(&login, now));
        verified.remember(login, now);
        assert!(verified.knows(&verified.login(tenant, user, b"hash", b"swordfish"), now));
        assert!(!verified.knows(&login, now + memory));
        for other in [
            verified.login(TenantId::generate(), user, b"hash", b"swordfish"),
            verified.login(tenant, UserId::generate(), b"hash", b"swordfish"),
            verified.login(tenant, user, b"hash2", b"swordfish"),
            verified.login(tenant, user, b"hash", b"sword"),
            verified.login(tenant, user, b"hashs", b"wordfish"),
        ] {
            assert!(!verified.knows(&other, now));
        }
    }
}
