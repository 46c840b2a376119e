//! The service's key, and the data keys that it wraps. Every other key is derived from a data key, one for each purpose.

use std::fmt;

use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{Key, KeyInit as _, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac as _};
use rand::TryRng as _;
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// The id of the data key that is the first service key itself. What is sealed with it names no data key.
pub const ORIGINAL_KEY: i32 = 0;

/// Bytes of the nonce before a wrapped key.
const NONCE_BYTES: usize = 24;

/// The service's key: 32 bytes, the same for all processes of an installation. It wraps the data keys and seals nothing
/// else, so that it can be replaced without sealing anything again.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct ServiceKey([u8; 32]);

/// Identifies a service key without revealing anything of it: 16 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceKeyId(String);

/// A data key: 32 random bytes, stored wrapped by the service's key.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct DataKey([u8; 32]);

impl ServiceKey {
    /// Parses 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        let text = text.trim().as_bytes();
        if text.len() != 64 {
            return None;
        }
        let mut key = [0; 32];
        for (byte, pair) in key.iter_mut().zip(text.chunks_exact(2)) {
            let high = char::from(pair[0]).to_digit(16)?;
            let low = char::from(pair[1]).to_digit(16)?;
            *byte = u8::try_from(high * 16 + low).ok()?;
        }
        Some(Self(key))
    }

    pub fn id(&self) -> ServiceKeyId {
        let digest = derive(&self.0, "rollcall service key id v1");
        let first = digest.first_chunk().expect("a digest has more than eight bytes");
        ServiceKeyId(format!("{:016x}", u64::from_be_bytes(*first)))
    }

    /// The service key itself as a data key: what installations sealed with before they had data keys.
    pub fn as_data_key(&self) -> DataKey {
        DataKey(self.0)
    }

    /// Wraps a data key. `id` is the data key's, and must be given again to unwrap it.
    pub fn wrap(&self, id: i32, key: &DataKey) -> Vec<u8> {
        let mut nonce = [0; NONCE_BYTES];
        fill_random(&mut nonce);
        let wrapped = self
            .wrapping_cipher()
            .encrypt(&XNonce::from(nonce), Payload { msg: &key.0, aad: &id.to_be_bytes() })
            .expect("a key is far shorter than the cipher's limit");
        [&nonce[..], &wrapped].concat()
    }

    /// Unwraps a data key; `None` if it was wrapped by another service key, under another id, or was changed.
    pub fn unwrap(&self, id: i32, wrapped: &[u8]) -> Option<DataKey> {
        let (nonce, wrapped) = wrapped.split_at_checked(NONCE_BYTES)?;
        let nonce: [u8; NONCE_BYTES] = nonce.try_into().ok()?;
        let payload = Payload { msg: wrapped, aad: &id.to_be_bytes() };
        let key = self.wrapping_cipher().decrypt(&XNonce::from(nonce), payload).ok().map(Zeroizing::new)?;
        Some(DataKey(key.as_slice().try_into().ok()?))
    }

    fn wrapping_cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&Key::from(*derive(&self.0, "rollcall data key v1")))
    }
}

impl ServiceKeyId {
    /// An id as it is stored.
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServiceKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl DataKey {
    pub fn generate() -> Self {
        let mut key = [0; 32];
        fill_random(&mut key);
        Self(key)
    }

    /// A key for one purpose: no two purposes share one.
    pub(crate) fn derive(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        derive(&self.0, purpose)
    }

    /// A cipher for one purpose.
    pub(crate) fn cipher(&self, purpose: &str) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&Key::from(*self.derive(purpose)))
    }
}

fn derive(key: &[u8; 32], purpose: &str) -> Zeroizing<[u8; 32]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(purpose.as_bytes());
    Zeroizing::new(mac.finalize().into_bytes().into())
}

/// Fills `bytes` with random bytes from the operating system.
pub(crate) fn fill_random(bytes: &mut [u8]) {
    rand::rngs::SysRng.try_fill_bytes(bytes).expect("the operating system provides random bytes");
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_data_key_is_unwrapped_by_its_service_key_under_its_id_only() {
        let key = ServiceKey::from_hex(&"5a".repeat(32)).unwrap();
        let other = ServiceKey::from_hex(&"5b".repeat(32)).unwrap();
        let data = DataKey::generate();
        let wrapped = key.wrap(2, &data);
        assert_eq!(key.unwrap(2, &wrapped).unwrap().0, data.0);
        assert!(other.unwrap(2, &wrapped).is_none());
        assert!(key.unwrap(3, &wrapped).is_none());
        assert!(key.unwrap(2, &wrapped[..20]).is_none());
        assert_ne!(key.id(), other.id());
        assert_eq!(key.id().as_str().len(), 16);
    }
}
