//! Passwords, off the critical path: an import stores them sealed, and they are hashed here afterwards, batch by batch,
//! in turns that travel through a queue of their own. A login that comes first opens the seal itself.
//!
//! | module | holds |
//! |---|---|
//! | [`hash_queue`] | who publishes: an import at its end, and the relay for what was lost |
//! | [`hasher`] | who takes them, and hashes |

pub mod hasher;
pub mod hash_queue;
