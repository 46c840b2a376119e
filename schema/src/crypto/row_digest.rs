//! Digests that tell an unchanged row.

use uuid::Uuid;
use zeroize::Zeroizing;

use super::key::DataKey;

/// Digests rows. Keyed, because a row may contain a password: without the key, passwords cannot be tried on a digest.
#[derive(Clone)]
pub struct RowDigestKey(Zeroizing<[u8; 32]>);

impl RowDigestKey {
    pub fn new(key: &DataKey) -> Self {
        Self(key.derive("rollcall applied row v1"))
    }

    /// The digest of an encoded row. 128 bits of keyed BLAKE3: two rows never share one, by chance or by intent.
    pub fn digest(&self, row: &[u8]) -> Uuid {
        let mut digest = [0; 16];
        digest.copy_from_slice(&blake3::keyed_hash(&self.0, row).as_bytes()[..16]);
        Uuid::from_bytes(digest)
    }
}
