//! Passwords: hashed with Argon2id on a bounded number of threads, waiting under seal until then.

use std::sync::mpsc::{Receiver, RecvError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use argon2::password_hash::phc::{Output, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::ids::TenantId;
use crate::seal::fill_random;

/// Memory of one hash, in KiB. With [`PASSES`] one of the settings that OWASP's password storage cheat sheet
/// names as its minimum; the one with less memory and more passes keeps an API that checks logins small.
const MEMORY_KIB: u32 = 12 * 1024;
/// Passes over the memory.
const PASSES: u32 = 3;
/// Checks that may wait for a thread before further ones are told to come back.
const WAITING: usize = 256;
/// The niceness of threads that hash only when nobody else wants the processor: the highest there is.
#[cfg(target_os = "linux")]
const NICEST: i32 = 19;

fn argon2() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).expect("the parameters are within Argon2's bounds");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// Hashes a password on this thread. Slow by intent: some tens of milliseconds.
pub fn hash(password: &[u8]) -> String {
    Hasher::default().hash(password)
}

/// Whether the password is the one hashed, on this thread.
pub fn verify(password: &[u8], hash: &str) -> bool {
    Hasher::default().verify(password, hash)
}

/// A hash's memory, used again for the next one: to ask for megabytes with each hash breaks the allocator's arenas
/// into pieces that are never given back.
#[derive(Default)]
struct Hasher {
    memory: Vec<Block>,
}

impl Hasher {
    fn hash(&mut self, password: &[u8]) -> String {
        let argon2 = argon2();
        let mut salt = [0; Salt::RECOMMENDED_LENGTH];
        fill_random(&mut salt);
        let output = self
            .output(&argon2, password, &salt)
            .expect("Argon2 takes a password of any length that fits in memory");
        let hash = PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: argon2.params().try_into().expect("the parameters are three numbers"),
            salt: Some(Salt::new(&salt).expect("the salt has the recommended length")),
            hash: Some(output),
        };
        hash.to_string()
    }

    fn verify(&mut self, password: &[u8], hash: &str) -> bool {
        let Ok(stored) = PasswordHash::new(hash) else { return false };
        let mut output = || {
            let algorithm = Algorithm::try_from(stored.algorithm.as_str()).ok()?;
            let version = Version::try_from(stored.version?).ok()?;
            let argon2 = Argon2::new(algorithm, version, Params::try_from(&stored).ok()?);
            self.output(&argon2, password, stored.salt.as_ref()?)
        };
        // Outputs are compared in constant time.
        stored.hash.is_some() && output() == stored.hash
    }

    fn output(&mut self, argon2: &Argon2<'_>, password: &[u8], salt: &[u8]) -> Option<Output> {
        let blocks = argon2.params().block_count();
        if self.memory.len() < blocks {
            self.memory.resize(blocks, Block::default());
        }
        let mut output = [0; Output::MAX_LENGTH];
        let output = output.get_mut(..argon2.params().output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN))?;
        argon2.hash_password_into_with_memory(password, salt, output, &mut self.memory[..blocks]).ok()?;
        Output::new(output).ok()
    }
}

/// Whom a sealed password or a fingerprint belongs to: a user, by tenant and username key, which never change.
pub fn owner(tenant: TenantId, username_key: &str) -> Vec<u8> {
    [tenant.as_bytes().as_slice(), username_key.as_bytes()].concat()
}

/// Bounds how many hashes are computed at once: each costs a core and its memory, so an unbounded number
/// would let anybody with wrong passwords stop the service.
///
/// The threads are its own, and each keeps its memory: the pool never holds more than one hash's memory per thread.
#[derive(Clone)]
pub struct HashingPool {
    queue: SyncSender<Work>,
}

type Work = Box<dyn FnOnce(&mut Hasher) + Send>;

/// Too many checks are waiting already.
#[derive(Debug, thiserror::Error)]
#[error("too many logins are being checked at once")]
pub struct Overloaded;

impl HashingPool {
    /// At most `threads` hashes at once. The threads end when the last clone of the pool is gone.
    pub fn new(threads: usize) -> Self {
        Self::with_threads(threads, WAITING, || ())
    }

    /// The same for hashes that nobody waits for: its threads run when nobody else wants the processor, and `waiting`
    /// hashes may wait for one.
    pub fn in_background(threads: usize, waiting: usize) -> Self {
        Self::with_threads(threads, waiting, give_way)
    }

    /// Each thread begins with `begin`.
    fn with_threads(threads: usize, waiting: usize, begin: fn()) -> Self {
        let (queue, waiting) = sync_channel::<Work>(waiting);
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..threads {
            let waiting = Arc::clone(&waiting);
            std::thread::spawn(move || {
                begin();
                let mut hasher = Hasher::default();
                while let Ok(work) = next(&waiting) {
                    work(&mut hasher);
                }
            });
        }
        Self { queue }
    }

    /// Hashes a password.
    pub async fn hash(&self, password: Zeroizing<Vec<u8>>) -> Result<String, Overloaded> {
        self.run(move |hasher| hasher.hash(&password)).await
    }

    /// Whether the password is the one hashed.
    pub async fn verify(&self, password: Zeroizing<Vec<u8>>, hash: String) -> Result<bool, Overloaded> {
        self.run(move |hasher| hasher.verify(&password, &hash)).await
    }

    /// Spends the time of a check, so that an unknown account takes as long to refuse as a known one.
    pub async fn verify_nothing(&self, password: Zeroizing<Vec<u8>>) -> Result<(), Overloaded> {
        self.run(move |hasher| {
            hasher.hash(&password);
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Hasher) -> T + Send + 'static,
    ) -> Result<T, Overloaded> {
        let (reply, done) = oneshot::channel();
        let work = move |hasher: &mut Hasher| {
            // A client that hung up while its check was waiting is not checked.
            if !reply.is_closed() {
                let _ = reply.send(work(hasher));
            }
        };
        self.queue.try_send(Box::new(work)).map_err(|_| Overloaded)?;
        done.await.map_err(|_| Overloaded)
    }
}

/// Gives this thread the lowest priority. Only Linux has priorities of threads; elsewhere this would be the whole
/// process's.
fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICEST) {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(error, "passwords are hashed at the imports' priority");
    }
}

/// The next work that waits; the lock is let go before it begins.
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
