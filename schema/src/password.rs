//! Passwords: hashed with Argon2id on a bounded number of threads, waiting under seal until then.

use std::sync::mpsc::{Receiver, RecvError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::ids::TenantId;

/// Memory of one hash, in KiB. With [`PASSES`] one of the settings that OWASP's password storage cheat sheet
/// names as its minimum; the one with less memory and more passes keeps an API that checks logins small.
const MEMORY_KIB: u32 = 12 * 1024;
/// Passes over the memory.
const PASSES: u32 = 3;
/// Checks that may wait for a thread before further ones are told to come back.
const WAITING: usize = 256;

fn argon2() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).expect("the parameters are within Argon2's bounds");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// Hashes a password on this thread. Slow by intent: some tens of milliseconds.
pub fn hash(password: &[u8]) -> String {
    let hash: PasswordHash =
        argon2().hash_password(password).expect("Argon2 takes a password of any length that fits in memory");
    hash.to_string()
}

/// Whether the password is the one hashed, on this thread.
pub fn verify(password: &[u8], hash: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| argon2().verify_password(password, &hash).is_ok())
}

/// Whom a sealed password or a fingerprint belongs to: a user, by tenant and username key, which never change.
pub fn owner(tenant: TenantId, username_key: &str) -> Vec<u8> {
    [tenant.as_bytes().as_slice(), username_key.as_bytes()].concat()
}

/// Bounds how many hashes are computed at once: each costs a core and its memory, so an unbounded number
/// would let anybody with wrong passwords stop the service.
///
/// The threads are its own, and as many as it may use: the allocator keeps a hash's memory for the thread that
/// asked for it, so that on a runtime's many blocking threads it would be kept many times over.
#[derive(Clone)]
pub struct HashingPool {
    queue: SyncSender<Work>,
}

type Work = Box<dyn FnOnce() + Send>;

/// Too many checks are waiting already.
#[derive(Debug, thiserror::Error)]
#[error("too many logins are being checked at once")]
pub struct Overloaded;

impl HashingPool {
    /// At most `threads` hashes at once. The threads end when the last clone of the pool is gone.
    pub fn new(threads: usize) -> Self {
        let (queue, waiting) = sync_channel::<Work>(WAITING);
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..threads {
            let waiting = Arc::clone(&waiting);
            std::thread::spawn(move || {
                // The lock is let go before the work begins.
                while let Ok(work) = next(&waiting) {
                    work();
                }
            });
        }
        Self { queue }
    }

    /// Hashes a password.
    pub async fn hash(&self, password: Zeroizing<Vec<u8>>) -> Result<String, Overloaded> {
        self.run(move || hash(&password)).await
    }

    /// Whether the password is the one hashed.
    pub async fn verify(&self, password: Zeroizing<Vec<u8>>, hash: String) -> Result<bool, Overloaded> {
        self.run(move || verify(&password, &hash)).await
    }

    /// Spends the time of a check, so that an unknown account takes as long to refuse as a known one.
    pub async fn verify_nothing(&self, password: Zeroizing<Vec<u8>>) -> Result<(), Overloaded> {
        self.run(move || {
            hash(&password);
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Overloaded> {
        let (reply, done) = oneshot::channel();
        let work = move || {
            // A client that hung up while its check was waiting is not checked.
            if !reply.is_closed() {
                let _ = reply.send(work());
            }
        };
        self.queue.try_send(Box::new(work)).map_err(|_| Overloaded)?;
        done.await.map_err(|_| Overloaded)
    }
}

fn next(waiting: &Mutex<Receiver<Work>>) -> Result<Work, RecvError> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner).recv()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_knows_its_password() {
        let hash = hash(b"swordfish");
        assert!(hash.starts_with("$argon2id$v=19$m=12288,t=3,p=1$"), "{hash}");
        assert!(verify(b"swordfish", &hash));
        assert!(!verify(b"Swordfish", &hash));
        assert!(!verify(b"swordfish", "not a hash"));
    }
}
