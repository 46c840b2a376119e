//! The service's key and what is derived from it: a key for uploads, one for waiting passwords, one for the
//! fingerprints that tell an unchanged password, one for the digests that tell an unchanged row.
//!
//! Uploads are sealed with the STREAM construction over XChaCha20-Poly1305: segments of 64 KiB, each
//! authenticated together with its position and with whether it is the last, so that a segment moved,
//! repeated or cut off is found out. The import's identity is bound in, so that one upload cannot be put in
//! another's place.

use std::io::{self, Read};

use aead_stream::{DecryptorBE32, EncryptorBE32};
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac as _};
use rand::{Rng as _, TryRng as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use uuid::Uuid;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Bytes of plain text in a segment.
const SEGMENT: usize = 64 * 1024;
/// Bytes that sealing adds to a segment.
const TAG: usize = 16;
/// Bytes of an upload's random nonce prefix; the STREAM construction fills the other five.
const PREFIX: usize = 19;
/// Bytes of a password's nonce.
const NONCE: usize = 24;
/// The first bytes of every sealed upload: the format and its version.
const MAGIC: &[u8; 4] = b"RCU1";

/// The service's master key: 32 bytes, the same for all its processes.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct ServiceKey([u8; 32]);

impl ServiceKey {
    /// Reads a key written as 64 hexadecimal digits.
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

    /// A key for one purpose, so that no two uses share one.
    fn derive(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(purpose.as_bytes());
        Zeroizing::new(mac.finalize().into_bytes().into())
    }

    fn cipher(&self, purpose: &str) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&Key::from(*self.derive(purpose)))
    }

    /// Begins to seal an upload; `context` is its identity and must be given again to open it.
    pub fn upload_sealer(&self, context: &[u8]) -> UploadSealer {
        let mut prefix = [0; PREFIX];
        fill_random(&mut prefix);
        let mut head = MAGIC.to_vec();
        head.extend_from_slice(&prefix);
        UploadSealer {
            stream: EncryptorBE32::from_aead(self.cipher("rollcall upload v1"), &prefix.into()),
            context: context.to_vec(),
            sealed: head,
            segment: Vec::with_capacity(SEGMENT + TAG),
        }
    }

    /// Opens a sealed upload as it is read.
    pub fn upload_opener<R: Read>(&self, context: &[u8], sealed: R) -> UploadOpener<R> {
        UploadOpener {
            cipher: Some(self.cipher("rollcall upload v1")),
            stream: None,
            context: context.to_vec(),
            sealed,
            next: Vec::new(),
            plain: Vec::new(),
            position: 0,
        }
    }

    /// The key that rows are digested with.
    pub fn row_key(&self) -> RowKey {
        RowKey(self.derive("rollcall applied row v1"))
    }

    /// The keys that passwords need.
    pub fn password_keys(&self) -> PasswordKeys {
        PasswordKeys {
            cipher: self.cipher("rollcall password v1"),
            fingerprint: self.derive("rollcall password fingerprint v1"),
        }
    }
}

/// Fills `bytes` from the operating system's source of randomness.
pub(crate) fn fill_random(bytes: &mut [u8]) {
    rand::rngs::SysRng.try_fill_bytes(bytes).expect("the operating system gives random bytes");
}

/// Seals an upload as it arrives.
pub struct UploadSealer {
    stream: EncryptorBE32<XChaCha20Poly1305>,
    context: Vec<u8>,
    sealed: Vec<u8>,
    segment: Vec<u8>,
}

impl UploadSealer {
    /// Takes plain bytes; sealed ones are to be had from [`Self::take_sealed`].
    pub fn write(&mut self, mut plain: &[u8]) {
        while !plain.is_empty() {
            // A full segment is sealed only when more follows: the last one is sealed as the last.
            if self.segment.len() == SEGMENT {
                self.stream
                    .encrypt_next_in_place(&self.context, &mut self.segment)
                    .expect("an upload has fewer than 2^32 segments");
                self.sealed.append(&mut self.segment);
            }
            let room = (SEGMENT - self.segment.len()).min(plain.len());
            self.segment.extend_from_slice(&plain[..room]);
            plain = &plain[room..];
        }
    }

    /// The sealed bytes that are ready.
    pub fn take_sealed(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.sealed)
    }

    /// Seals the last segment and returns the sealed bytes that were not taken yet.
    pub fn finish(mut self) -> Vec<u8> {
        self.stream
            .encrypt_last_in_place(&self.context, &mut self.segment)
            .expect("an upload has fewer than 2^32 segments");
        self.sealed.append(&mut self.segment);
        self.sealed
    }
}

/// Opens a sealed upload as it is read. A sealed upload that was changed, cut off, sealed with another key or
/// belongs to another import gives [`io::ErrorKind::InvalidData`].
pub struct UploadOpener<R> {
    cipher: Option<XChaCha20Poly1305>,
    stream: Option<DecryptorBE32<XChaCha20Poly1305>>,
    context: Vec<u8>,
    sealed: R,
    /// The sealed segment read ahead: only what follows it tells whether it is the last.
    next: Vec<u8>,
    plain: Vec<u8>,
    position: usize,
}

impl<R: Read> UploadOpener<R> {
    fn begin(&mut self, cipher: XChaCha20Poly1305) -> io::Result<()> {
        let mut head = [0; MAGIC.len() + PREFIX];
        self.sealed.read_exact(&mut head).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => damaged(),
            _ => error,
        })?;
        let prefix: [u8; PREFIX] =
            head.strip_prefix(MAGIC).and_then(|prefix| prefix.try_into().ok()).ok_or_else(damaged)?;
        self.stream = Some(DecryptorBE32::from_aead(cipher, &prefix.into()));
        self.next = self.read_segment()?;
        Ok(())
    }

    fn read_segment(&mut self) -> io::Result<Vec<u8>> {
        let mut segment = std::mem::take(&mut self.plain);
        segment.clear();
        segment.reserve(SEGMENT + TAG);
        (&mut self.sealed).take((SEGMENT + TAG) as u64).read_to_end(&mut segment)?;
        Ok(segment)
    }

    fn open_segment(&mut self) -> io::Result<bool> {
        if let Some(cipher) = self.cipher.take() {
            self.begin(cipher)?;
        }
        let Some(mut stream) = self.stream.take() else { return Ok(false) };
        let following = self.read_segment()?;
        let mut segment = std::mem::replace(&mut self.next, following);
        if self.next.is_empty() {
            stream.decrypt_last_in_place(&self.context, &mut segment).map_err(|_| damaged())?;
        } else {
            stream.decrypt_next_in_place(&self.context, &mut segment).map_err(|_| damaged())?;
            self.stream = Some(stream);
        }
        self.plain = segment;
        self.position = 0;
        Ok(true)
    }
}

impl<R: Read> Read for UploadOpener<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.position == self.plain.len() {
            if !self.open_segment()? {
                return Ok(0);
            }
        }
        let size = out.len().min(self.plain.len() - self.position);
        out[..size].copy_from_slice(&self.plain[self.position..self.position + size]);
        self.position += size;
        Ok(size)
    }
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the stored upload is damaged or was sealed with another key")
}

/// Seals passwords that wait to be hashed, and tells whether one is the same as before.
#[derive(Clone)]
pub struct PasswordKeys {
    cipher: XChaCha20Poly1305,
    fingerprint: Zeroizing<[u8; 32]>,
}

impl PasswordKeys {
    /// Seals a password; `owner` is the user it belongs to and must be given again to open it.
    pub fn seal(&self, owner: &[u8], password: &[u8]) -> Vec<u8> {
        let mut nonce = [0; NONCE];
        // No two may be the same, which 24 bytes of any good generator see to. The thread's own spares the system call,
        // which would take longer than the sealing.
        rand::rng().fill_bytes(&mut nonce);
        let sealed = self
            .cipher
            .encrypt(&XNonce::from(nonce), Payload { msg: password, aad: owner })
            .expect("a password is far shorter than the cipher's limit");
        [&nonce[..], &sealed].concat()
    }

    /// Opens a sealed password; `None` if it was changed, sealed with another key or is another user's.
    pub fn open(&self, owner: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE)?;
        let nonce: [u8; NONCE] = nonce.try_into().ok()?;
        self.cipher
            .decrypt(&XNonce::from(nonce), Payload { msg: sealed, aad: owner })
            .ok()
            .map(Zeroizing::new)
    }

    /// A keyed fingerprint of a user's password, equal only for the same user and the same password.
    pub fn fingerprint(&self, owner: &[u8], password: &[u8]) -> Fingerprint {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&*self.fingerprint).expect("HMAC takes a key of any length");
        // The length keeps the boundary between the two: nobody can move a byte from one to the other.
        mac.update(&(owner.len() as u64).to_be_bytes());
        mac.update(owner);
        mac.update(password);
        Fingerprint(mac.finalize().into_bytes().into())
    }
}

/// See [`PasswordKeys::fingerprint`].
#[derive(Clone)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Whether it is the one stored, compared in constant time.
    pub fn matches(&self, stored: &[u8]) -> bool {
        self.0.ct_eq(stored).into()
    }

    /// The bytes to store.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Digests rows. Keyed, because a row may hold a password: without the key nobody can try passwords on a digest.
#[derive(Clone)]
pub struct RowKey(Zeroizing<[u8; 32]>);

impl RowKey {
    /// The digest of a row, written out so that no two rows read alike. 128 bits of BLAKE3 under a key: no two rows
    /// will ever share one, by chance or by intent.
    pub fn digest(&self, row: &[u8]) -> Uuid {
        let mut digest = [0; 16];
        digest.copy_from_slice(&blake3::keyed_hash(&self.0, row).as_bytes()[..16]);
        Uuid::from_bytes(digest)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn key() -> ServiceKey {
        ServiceKey::from_hex(&"5a".repeat(32)).unwrap()
    }

    fn sealed(plain: &[u8]) -> Vec<u8> {
        let mut sealer = key().upload_sealer(b"import 1");
        let mut out = Vec::new();
        for piece in plain.chunks(1000) {
            sealer.write(piece);
            out.append(&mut sealer.take_sealed());
        }
        out.append(&mut sealer.finish());
        out
    }

    fn opened(context: &[u8], sealed: &[u8]) -> io::Result<Vec<u8>> {
        let mut plain = Vec::new();
        key().upload_opener(context, sealed).read_to_end(&mut plain)?;
        Ok(plain)
    }

    #[test]
    fn every_length_around_a_segment_comes_back() {
        for length in [0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 3 * SEGMENT, 3 * SEGMENT + 7] {
            let plain: Vec<u8> = (0..length).map(|i| u8::try_from(i % 251).unwrap()).collect();
            assert_eq!(opened(b"import 1", &sealed(&plain)).unwrap(), plain, "{length}");
        }
    }

    #[test]
    fn a_changed_cut_or_foreign_upload_is_found_out() {
        let good = sealed(&vec![7; 3 * SEGMENT]);
        let head = MAGIC.len() + PREFIX;
        let mut flipped = good.clone();
        flipped[head + 100] ^= 1;
        let segment = SEGMENT + TAG;
        let mut swapped = good.clone();
        swapped[head..head + segment].copy_from_slice(&good[head + segment..head + 2 * segment]);
        for (name, bad) in [
            ("flipped", flipped),
            ("swapped", swapped),
            ("cut at a segment", good[..head + 2 * segment].to_vec()),
            ("cut in a segment", good[..good.len() - 5].to_vec()),
            ("nothing but a head", good[..head].to_vec()),
            ("empty", Vec::new()),
        ] {
            assert_eq!(opened(b"import 1", &bad).unwrap_err().kind(), io::ErrorKind::InvalidData, "{name}");
        }
        assert!(opened(b"import 2", &good).is_err());
    }

    #[test]
    fn a_password_opens_only_for_its_owner() {
        let keys = key().password_keys();
        let sealed = keys.seal(b"jane", b"swordfish");
        assert_eq!(&*keys.open(b"jane", &sealed).unwrap(), b"swordfish");
        assert!(keys.open(b"john", &sealed).is_none());
        assert!(keys.open(b"jane", &sealed[..10]).is_none());
        assert!(!sealed.windows(9).any(|window| window == b"swordfish"));
    }

    #[test]
    fn a_fingerprint_tells_owner_and_password_apart() {
        let keys = key().password_keys();
        let jane = keys.fingerprint(b"jane", b"swordfish");
        assert!(jane.matches(keys.fingerprint(b"jane", b"swordfish").as_bytes()));
        assert!(!jane.matches(keys.fingerprint(b"jane", b"sword").as_bytes()));
        assert!(!jane.matches(keys.fingerprint(b"janes", b"wordfish").as_bytes()));
    }
}
