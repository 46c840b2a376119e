//! One login of an account at a time: a script that sends many requests at once has its password hashed once, and an
//! attacker cannot exceed the limit on failed logins by guessing in parallel.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};
use tokio::time::timeout;

use crate::auth::throttle::LoginAttempt;
use crate::http::error::ApiError;

const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// The locks, each shared by all accounts with the same hash. There are more of them than hashing threads.
pub struct LoginLocks {
    hasher: RandomState,
    locks: [Mutex<()>; 64],
}

impl Default for LoginLocks {
    fn default() -> Self {
        Self { hasher: RandomState::new(), locks: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl LoginLocks {
    pub async fn lock(&self, attempt: &LoginAttempt) -> Result<MutexGuard<'_, ()>, ApiError> {
        let hash = self.hasher.hash_one((attempt.tenant, &attempt.username_key));
        let lock = &self.locks[usize::from(hash.to_le_bytes()[0]) % self.locks.len()];
        timeout(LOCK_TIMEOUT, lock.lock()).await.map_err(|_| ApiError::Overloaded)
    }
}
