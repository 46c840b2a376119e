//! Hashing passwords after their import, so that imports do not wait for it. An import stores passwords sealed; here they
//! are hashed batch by batch, by requests that travel through a queue of their own. A login that comes earlier opens the
//! seal itself.
//!
//! | module | holds |
//! |---|---|
//! | [`hash_queue`] | publishes the requests: an import at its end, and the relay for those that were lost |
//! | [`hasher`] | receives the requests, and hashes |

pub mod hash_queue;
pub mod hasher;
