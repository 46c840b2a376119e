//! The service's key. Every other key is derived from it, one for each purpose.

use chacha20poly1305::{Key, KeyInit as _, XChaCha20Poly1305};
use hmac::{Hmac, Mac as _};
use rand::TryRng as _;
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// The service's master key: 32 bytes, the same for all its processes.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct ServiceKey([u8; 32]);

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

    /// A key for one purpose: no two purposes share one.
    pub(crate) fn derive(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(purpose.as_bytes());
        Zeroizing::new(mac.finalize().into_bytes().into())
    }

    /// A cipher for one purpose.
    pub(crate) fn cipher(&self, purpose: &str) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&Key::from(*self.derive(purpose)))
    }
}

/// Fills `bytes` with random bytes from the operating system.
pub(crate) fn fill_random(bytes: &mut [u8]) {
    rand::rngs::SysRng.try_fill_bytes(bytes).expect("the operating system provides random bytes");
}
