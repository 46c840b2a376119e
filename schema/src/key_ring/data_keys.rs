//! The opened data keys of an installation.

use std::collections::BTreeMap;

use crate::crypto::key::{DataKey, ORIGINAL_KEY, ServiceKey};
use crate::crypto::password_cipher::PasswordCipher;

/// What the key of sealed passwords is derived for.
const PASSWORD_PURPOSE: &str = "rollcall password v1";

/// The data keys of an installation, as one service key opens them.
#[derive(Clone)]
pub struct DataKeys {
    /// For fingerprints and row digests.
    pub digests: DataKey,
    seals: BTreeMap<i32, SealKey>,
}

/// A data key that seals uploads and waiting passwords.
#[derive(Clone)]
pub struct SealKey {
    pub id: i32,
    pub key: DataKey,
    /// The cipher of waiting passwords.
    pub passwords: PasswordCipher,
}

impl SealKey {
    pub fn new(id: i32, key: DataKey) -> Self {
        let passwords = PasswordCipher::new(key.derive(PASSWORD_PURPOSE));
        Self { id, key, passwords }
    }
}

impl DataKeys {
    /// `None` if there is no key to seal with.
    pub fn new(digests: DataKey, seals: impl IntoIterator<Item = SealKey>) -> Option<Self> {
        let seals: BTreeMap<i32, SealKey> = seals.into_iter().map(|key| (key.id, key)).collect();
        (!seals.is_empty()).then_some(Self { digests, seals })
    }

    /// Those of an installation that sealed with its service key itself.
    pub fn original(key: &ServiceKey) -> Self {
        let seals = SealKey::new(ORIGINAL_KEY, key.as_data_key());
        Self { digests: key.as_data_key(), seals: BTreeMap::from([(ORIGINAL_KEY, seals)]) }
    }

    /// The key to seal with: the newest.
    pub fn sealing(&self) -> &SealKey {
        self.seals.last_key_value().expect("there is a key to seal with").1
    }

    /// The key that a seal names.
    pub fn seal_key(&self, id: i32) -> Option<&SealKey> {
        self.seals.get(&id)
    }
}
