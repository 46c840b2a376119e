//! Argon2id on a bounded number of threads.

use std::sync::mpsc::{Receiver, RecvError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use argon2::password_hash::phc::{Output, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::crypto::key::fill_random;

/// Memory of one hash, in KiB. Together with [`PASSES`] one of the minimum settings in OWASP's password storage cheat
/// sheet; the one with less memory and more passes keeps an API that checks logins small.
const MEMORY_KIB: u32 = 12 * 1024;
/// Passes over the memory.
const PASSES: u32 = 3;
/// Checks that may wait for a thread. Further ones are rejected.
const QUEUE_LENGTH: usize = 256;
/// The niceness of background threads: the highest, which only gets the processor when nothing else wants it.
#[cfg(target_os = "linux")]
const MAX_NICENESS: i32 = 19;

fn argon2() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).expect("the parameters are within Argon2's bounds");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// Hashes a password on this thread. Slow by design: some tens of milliseconds.
pub fn hash(password: &[u8]) -> String {
    Hasher::default().hash(password)
}

/// Whether the password has this hash. Runs on this thread.
pub fn verify(password: &[u8], hash: &str) -> bool {
    Hasher::default().verify(password, hash)
}

/// Computes hashes, reusing the memory: allocating megabytes for each hash fragments the allocator's arenas, which then
/// never shrink.
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
            .expect("Argon2 accepts a password of any length that fits in memory");
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

/// Bounds how many hashes are computed at once. Each takes a core and its memory: without a bound, a flood of wrong
/// passwords would stop the service.
///
/// The pool has threads of its own, each of which keeps the memory of one hash.
#[derive(Clone)]
pub struct HashingPool {
    queue: SyncSender<Work>,
}

type Work = Box<dyn FnOnce(&mut Hasher) + Send>;

/// The queue of checks is full.
#[derive(Debug, thiserror::Error)]
#[error("too many logins are being checked at once")]
pub struct Overloaded;

impl HashingPool {
    /// At most `threads` hashes at once. The threads end when the last clone of the pool is gone.
    pub fn new(threads: usize) -> Self {
        Self::with_threads(threads, QUEUE_LENGTH, || ())
    }

    /// A pool whose threads only run when nothing else wants the processor. At most `queue_length` hashes wait.
    pub fn in_background(threads: usize, queue_length: usize) -> Self {
        Self::with_threads(threads, queue_length, lower_priority)
    }

    /// Each thread calls `start` first.
    fn with_threads(threads: usize, queue_length: usize, start: fn()) -> Self {
        let (queue, waiting) = sync_channel::<Work>(queue_length);
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..threads {
            let waiting = Arc::clone(&waiting);
            std::thread::spawn(move || {
                start();
                let mut hasher = Hasher::default();
                while let Ok(work) = next(&waiting) {
                    work(&mut hasher);
                }
            });
        }
        Self { queue }
    }

    pub async fn hash(&self, password: Zeroizing<Vec<u8>>) -> Result<String, Overloaded> {
        self.run(move |hasher| hasher.hash(&password)).await
    }

    /// Whether the password has this hash.
    pub async fn verify(&self, password: Zeroizing<Vec<u8>>, hash: String) -> Result<bool, Overloaded> {
        self.run(move |hasher| hasher.verify(&password, &hash)).await
    }

    /// Takes as long as a check, so that an unknown account is refused no faster than a known one.
    pub async fn dummy_verify(&self, password: Zeroizing<Vec<u8>>) -> Result<(), Overloaded> {
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
            // Skipped if the client disconnected while the check was waiting.
            if !reply.is_closed() {
                let _ = reply.send(work(hasher));
            }
        };
        self.queue.try_send(Box::new(work)).map_err(|_| Overloaded)?;
        done.await.map_err(|_| Overloaded)
    }
}

/// Gives this thread the lowest priority. Only Linux has priorities for threads; elsewhere the call would affect the whole
/// process.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), MAX_NICENESS) {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(
            error,
            "the priority of a hashing thread could not be lowered; it competes with imports"
        );
    }
}

/// The next work in the queue. The lock is released before the work starts.
fn next(waiting: &Mutex<Receiver<Work>>) -> Result<Work, RecvError> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner).recv()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_verifies_only_its_password() {
        let hash = hash(b"swordfish");
        assert!(hash.starts_with("$argon2id$v=19$m=12288,t=3,p=1$"), "{hash}");
        assert!(verify(b"swordfish", &hash));
        assert!(!verify(b"Swordfish", &hash));
        assert!(!verify(b"swordfish", "not a hash"));
    }
}
