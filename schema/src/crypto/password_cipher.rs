//! `XChaCha20-Poly1305` for texts as short as passwords.
//!
//! The bytes are those of the crate `chacha20poly1305`, which needs 2.2 µs to seal a password: its Poly1305 prepares for texts of
//! many blocks. With that of `ring` it is a fraction.

use chacha20::{R20, hchacha};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

/// Bytes of a nonce.
pub const NONCE_BYTES: usize = 24;

/// A cipher with its key.
#[derive(Clone)]
pub struct PasswordCipher(Zeroizing<[u8; 32]>);

impl PasswordCipher {
    pub fn new(key: Zeroizing<[u8; 32]>) -> Self {
        Self(key)
    }

    /// Seals a text under a nonce that is never used again. `context` must be given again to open it.
    pub fn seal(&self, nonce: &[u8; NONCE_BYTES], context: &[u8], text: &[u8]) -> Vec<u8> {
        let (key, nonce) = self.of_nonce(nonce);
        let mut sealed = Vec::with_capacity(text.len() + CHACHA20_POLY1305.tag_len());
        sealed.extend_from_slice(text);
        key.seal_in_place_append_tag(nonce, Aad::from(context), &mut sealed)
            .expect("a password is far shorter than the cipher's limit");
        sealed
    }

    /// Opens a text. `None` if it was changed, or sealed with another key or for another context.
    pub fn open(
        &self,
        nonce: &[u8; NONCE_BYTES],
        context: &[u8],
        sealed: &[u8],
    ) -> Option<Zeroizing<Vec<u8>>> {
        let (key, nonce) = self.of_nonce(nonce);
        let mut text = Zeroizing::new(sealed.to_vec());
        let length = key.open_in_place(nonce, Aad::from(context), &mut text).ok()?.len();
        text.truncate(length);
        Some(text)
    }

    /// The construction of `XChaCha20` (draft-irtf-cfrg-xchacha): the first 16 bytes of the nonce give a key, and the others are
    /// the end of the nonce that is used with it.
    fn of_nonce(&self, nonce: &[u8; NONCE_BYTES]) -> (LessSafeKey, Nonce) {
        let (of_key, end) = nonce.split_first_chunk::<16>().expect("a nonce is longer than 16 bytes");
        let key = Zeroizing::new(<[u8; 32]>::from(hchacha::<R20>(&(*self.0).into(), &(*of_key).into())));
        let key = UnboundKey::new(&CHACHA20_POLY1305, &*key).expect("the key has the cipher's length");
        let mut nonce = [0; NONCE_LEN];
        nonce[NONCE_LEN - end.len()..].copy_from_slice(end);
        (LessSafeKey::new(key), Nonce::assume_unique_for_key(nonce))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use chacha20poly1305::aead::{Aead as _, Payload};
    use chacha20poly1305::{Key, KeyInit as _, XChaCha20Poly1305, XNonce};

    use super::*;

    #[test]
    fn it_seals_and_opens_what_xchacha20poly1305_does() {
        let key = std::array::from_fn(|index| u8::try_from(index * 7).unwrap());
        let ours = PasswordCipher::new(Zeroizing::new(key));
        let theirs = XChaCha20Poly1305::new(&Key::from(key));
        let bytes: Vec<u8> = (0..=255).collect();
        for length in [0, 1, 11, 15, 16, 17, 63, 64, 65, 128, 200] {
            let nonce: [u8; NONCE_BYTES] = std::array::from_fn(|index| u8::try_from(index + length).unwrap());
            let (text, context) = (&bytes[..length], &bytes[length..]);
            let payload = Payload { msg: text, aad: context };
            let sealed = theirs.encrypt(&XNonce::from(nonce), payload).unwrap();
            assert_eq!(ours.seal(&nonce, context, text), sealed, "{length} bytes");
            assert_eq!(**ours.open(&nonce, context, &sealed).unwrap(), *text);
            assert!(ours.open(&nonce, &context[1..], &sealed).is_none());
            assert!(ours.open(&nonce, context, &sealed[..length]).is_none());
        }
    }
}
