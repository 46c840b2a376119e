//! What protects a password that is not hashed yet: its seal, and the fingerprint that tells whether it changed.

use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, KeyInit as _, Mac as _};
use rand::Rng as _;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::crypto::key::ServiceKey;
use crate::ids::TenantId;

/// Bytes of a sealed password's nonce.
const NONCE_BYTES: usize = 24;

/// The user that a sealed password or a fingerprint belongs to: by tenant and by name, which is the column
/// `users.password_owner`, or the username key where that is null. It never changes, although the key may.
pub fn owner(tenant: TenantId, name: &str) -> Vec<u8> {
    [tenant.as_bytes().as_slice(), name.as_bytes()].concat()
}

/// Seals passwords that wait to be hashed, and fingerprints them to tell an unchanged one.
#[derive(Clone)]
pub struct PasswordKeys {
    cipher: XChaCha20Poly1305,
    fingerprint: Zeroizing<[u8; 32]>,
}

impl PasswordKeys {
    pub fn new(key: &ServiceKey) -> Self {
        Self {
            cipher: key.cipher("rollcall password v1"),
            fingerprint: key.derive("rollcall password fingerprint v1"),
        }
    }

    /// Seals a password; `owner` is the user it belongs to and must be given again to open it.
    pub fn seal(&self, owner: &[u8], password: &[u8]) -> Vec<u8> {
        let mut nonce = [0; NONCE_BYTES];
        // 24 bytes of any good generator never repeat. The thread's own generator avoids a system call, which would take
        // longer than sealing.
        rand::rng().fill_bytes(&mut nonce);
        let sealed = self
            .cipher
            .encrypt(&XNonce::from(nonce), Payload { msg: password, aad: owner })
            .expect("a password is far shorter than the cipher's limit");
        [&nonce[..], &sealed].concat()
    }

    /// Opens a sealed password; `None` if it was changed, sealed with another key or is another user's.
    pub fn open(&self, owner: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_BYTES)?;
        let nonce: [u8; NONCE_BYTES] = nonce.try_into().ok()?;
        self.cipher
            .decrypt(&XNonce::from(nonce), Payload { msg: sealed, aad: owner })
            .ok()
            .map(Zeroizing::new)
    }

    /// A keyed fingerprint of a user's password, equal only for the same user and the same password.
    pub fn fingerprint(&self, owner: &[u8], password: &[u8]) -> Fingerprint {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&*self.fingerprint).expect("HMAC takes a key of any length");
        // The length marks where the owner ends and the password begins.
        mac.update(&(owner.len() as u64).to_be_bytes());
        mac.update(owner);
        mac.update(password);
        Fingerprint(mac.finalize().into_bytes().into())
    }
}

/// A fingerprint of a password: see [`PasswordKeys::fingerprint`].
#[derive(Clone)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Compares with a stored fingerprint, in constant time.
    pub fn matches(&self, stored: &[u8]) -> bool {
        self.0.ct_eq(stored).into()
    }

    /// The bytes to store.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn keys() -> PasswordKeys {
        PasswordKeys::new(&ServiceKey::from_hex(&"5a".repeat(32)).unwrap())
    }

    #[test]
    fn a_password_opens_only_for_its_owner() {
        let keys = keys();
        let sealed = keys.seal(b"jane", b"swordfish");
        assert_eq!(&*keys.open(b"jane", &sealed).unwrap(), b"swordfish");
        assert!(keys.open(b"john", &sealed).is_none());
        assert!(keys.open(b"jane", &sealed[..10]).is_none());
        assert!(!sealed.windows(9).any(|window| window == b"swordfish"));
    }

    #[test]
    fn a_fingerprint_tells_owner_and_password_apart() {
        let keys = keys();
        let jane = keys.fingerprint(b"jane", b"swordfish");
        assert!(jane.matches(keys.fingerprint(b"jane", b"swordfish").as_bytes()));
        assert!(!jane.matches(keys.fingerprint(b"jane", b"sword").as_bytes()));
        assert!(!jane.matches(keys.fingerprint(b"janes", b"wordfish").as_bytes()));
    }
}
