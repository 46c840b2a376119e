//! A cache of checked logins, right and wrong ones, so that a script that polls does not have its password hashed with
//! every request, and one that repeats a wrong password costs no hash either.
//!
//! No password can be recovered from it: it holds only digests, keyed with a secret that ends with the process. The
//! stored hash or sealed password is part of the digest, so a login with the old password misses as soon as the
//! password has changed, and a wrong one is checked again.

use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use moka::sync::Cache;
use rollcall_schema::ids::{TenantId, UserId};
use sha2::Sha256;

/// Maximum number of cached logins: some hundred KiB.
const CAPACITY: u64 = 8192;
/// How long a wrong login is known to be wrong.
const WRONG_TTL: Duration = Duration::from_mins(1);

/// The cache. An entry expires a fixed time after the login was verified, however often it is used.
pub struct LoginCache {
    secret: [u8; 32],
    verified: Cache<LoginKey, ()>,
    wrong: Cache<LoginKey, ()>,
}

/// The keyed digest of a login: tenant, user, stored password and given password.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LoginKey([u8; 32]);

impl LoginCache {
    /// A cache that holds each login for `ttl`. Zero disables it.
    pub fn new(ttl: Duration) -> Self {
        let verified = Cache::builder().max_capacity(CAPACITY).time_to_live(ttl).build();
        let wrong = Cache::builder().max_capacity(CAPACITY).time_to_live(WRONG_TTL.min(ttl)).build();
        Self { secret: rand::random(), verified, wrong }
    }

    /// The key of a login. `stored` is the account's hash or sealed password, `given` what the client sent.
    pub fn key(&self, tenant: TenantId, user: UserId, stored: &[u8], given: &[u8]) -> LoginKey {
        self.digest(&[b"known", tenant.as_bytes(), user.as_bytes(), stored, given])
    }

    /// The key of a login to an account that does not exist or cannot log in: it is wrong like any other.
    pub fn key_of_unknown(&self, tenant: Option<TenantId>, username_key: &str, given: &[u8]) -> LoginKey {
        let tenant = tenant.map_or([0; 16], |tenant| *tenant.as_bytes());
        self.digest(&[b"unknown", &tenant, username_key.as_bytes(), given])
    }

    fn digest(&self, parts: &[&[u8]]) -> LoginKey {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).expect("HMAC accepts a key of any length");
        for part in parts {
            // The length marks where the part ends.
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        LoginKey(mac.finalize().into_bytes().into())
    }

    pub fn contains(&self, login: &LoginKey) -> bool {
        self.verified.get(login).is_some()
    }

    pub fn insert(&self, login: LoginKey) {
        self.verified.insert(login, ());
    }

    /// Whether the login was wrong a moment ago.
    pub fn is_wrong(&self, login: &LoginKey) -> bool {
        self.wrong.get(login).is_some()
    }

    pub fn insert_wrong(&self, login: LoginKey) {
        self.wrong.insert(login, ());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_login_is_cached_until_anything_of_it_changes() {
        let cache = LoginCache::new(Duration::from_mins(5));
        let (tenant, user) = (TenantId::generate(), UserId::generate());
        let login = cache.key(tenant, user, b"hash", b"swordfish");
        assert!(!cache.contains(&login));
        cache.insert(login);
        assert!(cache.contains(&cache.key(tenant, user, b"hash", b"swordfish")));
        for other in [
            cache.key(TenantId::generate(), user, b"hash", b"swordfish"),
            cache.key(tenant, UserId::generate(), b"hash", b"swordfish"),
            cache.key(tenant, user, b"hash2", b"swordfish"),
            cache.key(tenant, user, b"hash", b"sword"),
            cache.key(tenant, user, b"hashs", b"wordfish"),
        ] {
            assert!(!cache.contains(&other));
        }
    }

    #[test]
    fn a_login_expires_a_fixed_time_after_it_was_verified() {
        let ttl = Duration::from_millis(50);
        let cache = LoginCache::new(ttl);
        let login = cache.key(TenantId::generate(), UserId::generate(), b"hash", b"swordfish");
        let verified = Instant::now();
        cache.insert(login);
        // Used all the time, and it expires nevertheless.
        while cache.contains(&login) {
            assert!(verified.elapsed() < Duration::from_secs(30), "it never expires");
        }
        assert!(verified.elapsed() >= ttl);
    }

    #[test]
    fn a_cache_of_zero_seconds_holds_nothing() {
        let cache = LoginCache::new(Duration::ZERO);
        let login = cache.key(TenantId::generate(), UserId::generate(), b"hash", b"swordfish");
        cache.insert(login);
        assert!(!cache.contains(&login));
    }
}
