//! What protects a password that is not hashed yet: its seal, and the fingerprint that tells whether it changed.

use hmac::{Hmac, KeyInit as _, Mac as _};
use rand::Rng as _;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::crypto::key::ORIGINAL_KEY;
use crate::crypto::password_cipher::NONCE_BYTES;
use crate::ids::TenantId;
use crate::key_ring::data_keys::SealKey;
use crate::key_ring::ring::{KeyRing, KeyUnavailable};

/// The first bytes of a password that was not sealed with the [original key](ORIGINAL_KEY). The id of its data key follows.
/// One sealed with the original key begins with its random nonce, which may happen to look like this: so where the data
/// key that seems to be named does not open a seal, the original key is tried.
const MAGIC: &[u8; 4] = b"RCP2";

/// The user that a sealed password or a fingerprint belongs to: by tenant and by name, which is the column
/// `users.password_owner`, or the username key where that is null. It never changes, although the key may.
pub fn owner(tenant: TenantId, name: &str) -> Vec<u8> {
    [tenant.as_bytes().as_slice(), name.as_bytes()].concat()
}

/// Why a sealed password did not open.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// It may open later.
    #[error("the sealed password cannot be opened now")]
    KeyUnavailable(#[from] KeyUnavailable),
    /// It was changed, is another user's, or was sealed by a process that had another installation's key.
    #[error("the sealed password is damaged, or another user's")]
    Damaged,
}

/// Seals passwords that wait to be hashed, and fingerprints them to tell an unchanged one.
#[derive(Clone)]
pub struct PasswordKeys {
    ring: KeyRing,
    fingerprint: Zeroizing<[u8; 32]>,
}

impl PasswordKeys {
    pub fn new(ring: &KeyRing) -> Self {
        let fingerprint = ring.keys().digests.derive("rollcall password fingerprint v1");
        Self { ring: ring.clone(), fingerprint }
    }

    /// Seals a password; `owner` is the user it belongs to and must be given again to open it.
    pub fn seal(&self, owner: &[u8], password: &[u8]) -> Vec<u8> {
        let keys = self.ring.keys();
        let SealKey { id, passwords, .. } = keys.sealing();
        let mut nonce = [0; NONCE_BYTES];
        // 24 bytes of any good generator never repeat. The thread's own generator avoids a system call, which would take
        // longer than sealing.
        rand::rng().fill_bytes(&mut nonce);
        let sealed = passwords.seal(&nonce, owner, password);
        match *id {
            ORIGINAL_KEY => [&nonce[..], &sealed].concat(),
            id => [&MAGIC[..], &id.to_be_bytes(), &nonce, &sealed].concat(),
        }
    }

    /// Whether a password was sealed with the key that seals now.
    pub fn is_newest(&self, sealed: &[u8]) -> bool {
        let id = split_named(sealed).map_or(ORIGINAL_KEY, |(id, _)| id);
        id == self.ring.keys().sealing().id
    }

    /// Opens a sealed password.
    pub async fn open(&self, owner: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let named = match split_named(sealed) {
            Some((id, sealed)) => match self.ring.seal_key(id).await {
                Ok(key) => match open_with(&key, owner, sealed) {
                    Some(password) => return Ok(password),
                    None => SealError::Damaged,
                },
                Err(unavailable) => unavailable.into(),
            },
            None => SealError::Damaged,
        };
        match self.ring.keys().seal_key(ORIGINAL_KEY) {
            Some(key) => open_with(key, owner, sealed).ok_or(named),
            None if split_named(sealed).is_some() => Err(named),
            None => Err(KeyUnavailable { id: ORIGINAL_KEY, source: None }.into()),
        }
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

/// The id of the data key that a sealed password seems to name, and what follows it.
fn split_named(sealed: &[u8]) -> Option<(i32, &[u8])> {
    let (id, sealed) = sealed.strip_prefix(MAGIC)?.split_first_chunk()?;
    Some((i32::from_be_bytes(*id), sealed))
}

fn open_with(key: &SealKey, owner: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>()?;
    key.passwords.open(nonce, owner, sealed)
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
    use crate::crypto::key::{DataKey, ServiceKey};
    use crate::key_ring::data_keys::DataKeys;

    fn service_key() -> ServiceKey {
        ServiceKey::from_hex(&"5a".repeat(32)).unwrap()
    }

    fn original() -> PasswordKeys {
        PasswordKeys::new(&KeyRing::fixed(DataKeys::original(&service_key())))
    }

    /// As after a rotation: the original key, and one that seals.
    fn rotated() -> PasswordKeys {
        let original = SealKey::new(ORIGINAL_KEY, service_key().as_data_key());
        let newer = SealKey::new(2, DataKey::generate());
        let keys = DataKeys::new(service_key().as_data_key(), [original, newer]).unwrap();
        PasswordKeys::new(&KeyRing::fixed(keys))
    }

    #[tokio::test]
    async fn a_password_opens_only_for_its_owner() {
        for keys in [original(), rotated()] {
            let sealed = keys.seal(b"jane", b"swordfish");
            assert_eq!(&*keys.open(b"jane", &sealed).await.unwrap(), b"swordfish");
            let johns = keys.open(b"john", &sealed).await;
            assert!(matches!(johns, Err(SealError::Damaged)), "{johns:?}");
            assert!(keys.open(b"jane", &sealed[..10]).await.is_err());
            assert!(!sealed.windows(9).any(|window| window == b"swordfish"));
        }
    }

    #[tokio::test]
    async fn what_an_earlier_key_sealed_opens_and_a_later_ones_is_unavailable() {
        let (before, after) = (original(), rotated());
        let old = before.seal(b"jane", b"swordfish");
        assert_eq!(&*after.open(b"jane", &old).await.unwrap(), b"swordfish");
        let new = after.seal(b"jane", b"swordfish");
        let unavailable = before.open(b"jane", &new).await;
        assert!(
            matches!(unavailable, Err(SealError::KeyUnavailable(KeyUnavailable { id: 2, .. }))),
            "{unavailable:?}"
        );
        // The fingerprints stay those of the original key.
        let fingerprint = before.fingerprint(b"jane", b"swordfish");
        assert!(fingerprint.matches(after.fingerprint(b"jane", b"swordfish").as_bytes()));
    }

    #[test]
    fn a_fingerprint_tells_owner_and_password_apart() {
        let keys = original();
        let jane = keys.fingerprint(b"jane", b"swordfish");
        assert!(jane.matches(keys.fingerprint(b"jane", b"swordfish").as_bytes()));
        assert!(!jane.matches(keys.fingerprint(b"jane", b"sword").as_bytes()));
        assert!(!jane.matches(keys.fingerprint(b"janes", b"wordfish").as_bytes()));
    }
}
