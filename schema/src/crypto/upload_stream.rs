//! Sealed uploads: the STREAM construction over XChaCha20-Poly1305.
//!
//! Each segment of 64 KiB is authenticated together with its position and whether it is the last, so a segment that was
//! moved, repeated or removed is detected. The import's identity is authenticated too, so one upload cannot replace
//! another.

use std::io::{self, Read};

use aead_stream::{DecryptorBE32, EncryptorBE32};
use chacha20poly1305::XChaCha20Poly1305;

use super::key::{DataKey, ORIGINAL_KEY, fill_random};

/// Bytes of plain text in a segment.
const SEGMENT_BYTES: usize = 64 * 1024;
/// Bytes that sealing adds to a segment.
const TAG_BYTES: usize = 16;
/// Bytes of an upload's random nonce prefix; the STREAM construction fills the other five.
const PREFIX_BYTES: usize = 19;
/// The first bytes of an upload that was sealed with the [original key](ORIGINAL_KEY).
const ORIGINAL_MAGIC: &[u8; 4] = b"RCU1";
/// The first bytes of every other sealed upload. The id of its data key follows.
const MAGIC: &[u8; 4] = b"RCU2";
/// What the key of uploads is derived for.
const PURPOSE: &str = "rollcall upload v1";

/// Seals an upload as it arrives.
pub struct UploadSealer {
    stream: EncryptorBE32<XChaCha20Poly1305>,
    context: Vec<u8>,
    sealed: Vec<u8>,
    segment: Vec<u8>,
}

impl UploadSealer {
    /// Seals with the data key `id`. `context` identifies the upload and must be given again to open it.
    pub fn new(id: i32, key: &DataKey, context: &[u8]) -> Self {
        let mut prefix = [0; PREFIX_BYTES];
        fill_random(&mut prefix);
        let mut head = Vec::with_capacity(MAGIC.len() + 4 + PREFIX_BYTES);
        if id == ORIGINAL_KEY {
            head.extend_from_slice(ORIGINAL_MAGIC);
        } else {
            head.extend_from_slice(MAGIC);
            head.extend_from_slice(&id.to_be_bytes());
        }
        head.extend_from_slice(&prefix);
        Self {
            stream: EncryptorBE32::from_aead(key.cipher(PURPOSE), &prefix.into()),
            context: context.to_vec(),
            sealed: head,
            segment: Vec::with_capacity(SEGMENT_BYTES + TAG_BYTES),
        }
    }

    /// Adds plain bytes. [`Self::take_sealed`] returns the sealed ones.
    pub fn write(&mut self, mut plain: &[u8]) {
        while !plain.is_empty() {
            // A full segment is sealed only when more follows, because the last one is marked as the last.
            if self.segment.len() == SEGMENT_BYTES {
                self.stream
                    .encrypt_next_in_place(&self.context, &mut self.segment)
                    .expect("an upload has fewer than 2^32 segments");
                self.sealed.append(&mut self.segment);
            }
            let room = (SEGMENT_BYTES - self.segment.len()).min(plain.len());
            self.segment.extend_from_slice(&plain[..room]);
            plain = &plain[room..];
        }
    }

    /// Takes the sealed bytes that are ready.
    pub fn take_sealed(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.sealed)
    }

    /// Seals the last segment and returns the sealed bytes that are left.
    pub fn finish(mut self) -> Vec<u8> {
        self.stream
            .encrypt_last_in_place(&self.context, &mut self.segment)
            .expect("an upload has fewer than 2^32 segments");
        self.sealed.append(&mut self.segment);
        self.sealed
    }
}

/// The head of a sealed upload: which data key opens it.
#[derive(Debug, Clone, Copy)]
pub struct UploadHead {
    pub key: i32,
    prefix: [u8; PREFIX_BYTES],
}

impl UploadHead {
    /// Reads the head of an upload. Fails with [`io::ErrorKind::InvalidData`] if it is none.
    pub fn read(sealed: &mut impl Read) -> io::Result<Self> {
        let key = match &read_array(sealed)? {
            ORIGINAL_MAGIC => ORIGINAL_KEY,
            MAGIC => i32::from_be_bytes(read_array(sealed)?),
            _ => return Err(damaged()),
        };
        Ok(Self { key, prefix: read_array(sealed)? })
    }
}

fn read_array<const N: usize>(sealed: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    sealed.read_exact(&mut bytes).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => damaged(),
        _ => error,
    })?;
    Ok(bytes)
}

/// Opens a sealed upload as it is read. One that was changed or truncated, or belongs to another import, fails with
/// [`io::ErrorKind::InvalidData`].
pub struct UploadOpener<R> {
    stream: Option<DecryptorBE32<XChaCha20Poly1305>>,
    context: Vec<u8>,
    sealed: R,
    /// The next sealed segment, read ahead: only what follows a segment tells whether it is the last. `None` before the
    /// first.
    next: Option<Vec<u8>>,
    plain: Vec<u8>,
    position: usize,
}

impl<R: Read> UploadOpener<R> {
    /// `sealed` is what follows the head, `key` the data key that the head names, and `context` the one that the upload was
    /// sealed with.
    pub fn new(head: UploadHead, key: &DataKey, context: &[u8], sealed: R) -> Self {
        Self {
            stream: Some(DecryptorBE32::from_aead(key.cipher(PURPOSE), &head.prefix.into())),
            context: context.to_vec(),
            sealed,
            next: None,
            plain: Vec::new(),
            position: 0,
        }
    }

    fn read_segment(&mut self) -> io::Result<Vec<u8>> {
        let mut segment = std::mem::take(&mut self.plain);
        segment.clear();
        segment.reserve(SEGMENT_BYTES + TAG_BYTES);
        (&mut self.sealed).take((SEGMENT_BYTES + TAG_BYTES) as u64).read_to_end(&mut segment)?;
        Ok(segment)
    }

    fn open_segment(&mut self) -> io::Result<bool> {
        let Some(mut stream) = self.stream.take() else { return Ok(false) };
        let mut segment = match self.next.take() {
            Some(segment) => segment,
            None => self.read_segment()?,
        };
        let following = self.read_segment()?;
        if following.is_empty() {
            stream.decrypt_last_in_place(&self.context, &mut segment).map_err(|_| damaged())?;
        } else {
            stream.decrypt_next_in_place(&self.context, &mut segment).map_err(|_| damaged())?;
            self.stream = Some(stream);
        }
        self.next = Some(following);
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
    io::Error::new(io::ErrorKind::InvalidData, "the stored upload is damaged")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::key::ServiceKey;
    use super::*;

    fn key() -> DataKey {
        ServiceKey::from_hex(&"5a".repeat(32)).unwrap().as_data_key()
    }

    fn sealed(id: i32, plain: &[u8]) -> Vec<u8> {
        let mut sealer = UploadSealer::new(id, &key(), b"import 1");
        let mut out = Vec::new();
        for piece in plain.chunks(1000) {
            sealer.write(piece);
            out.append(&mut sealer.take_sealed());
        }
        out.append(&mut sealer.finish());
        out
    }

    fn opened(context: &[u8], mut sealed: &[u8]) -> io::Result<Vec<u8>> {
        let mut plain = Vec::new();
        let head = UploadHead::read(&mut sealed)?;
        UploadOpener::new(head, &key(), context, sealed).read_to_end(&mut plain)?;
        Ok(plain)
    }

    #[test]
    fn every_length_around_a_segment_round_trips() {
        for length in [
            0,
            1,
            SEGMENT_BYTES - 1,
            SEGMENT_BYTES,
            SEGMENT_BYTES + 1,
            3 * SEGMENT_BYTES,
            3 * SEGMENT_BYTES + 7,
        ] {
            let plain: Vec<u8> = (0..length).map(|i| u8::try_from(i % 251).unwrap()).collect();
            assert_eq!(opened(b"import 1", &sealed(7, &plain)).unwrap(), plain, "{length}");
        }
    }

    #[test]
    fn the_head_names_the_data_key_unless_it_is_the_original_one() {
        for (id, magic) in [(ORIGINAL_KEY, ORIGINAL_MAGIC), (1, MAGIC), (i32::MAX, MAGIC)] {
            let upload = sealed(id, b"plain");
            assert!(upload.starts_with(magic), "{id}");
            assert_eq!(UploadHead::read(&mut &*upload).unwrap().key, id);
            assert_eq!(opened(b"import 1", &upload).unwrap(), b"plain");
        }
    }

    #[test]
    fn a_changed_truncated_or_foreign_upload_is_rejected() {
        let good = sealed(7, &vec![7; 3 * SEGMENT_BYTES]);
        let head = MAGIC.len() + 4 + PREFIX_BYTES;
        let mut flipped = good.clone();
        flipped[head + 100] ^= 1;
        let segment = SEGMENT_BYTES + TAG_BYTES;
        let mut swapped = good.clone();
        swapped[head..head + segment].copy_from_slice(&good[head + segment..head + 2 * segment]);
        for (name, bad) in [
            ("flipped", flipped),
            ("swapped", swapped),
            ("truncated at a segment", good[..head + 2 * segment].to_vec()),
            ("truncated in a segment", good[..good.len() - 5].to_vec()),
            ("only a head", good[..head].to_vec()),
            ("empty", Vec::new()),
        ] {
            assert_eq!(opened(b"import 1", &bad).unwrap_err().kind(), io::ErrorKind::InvalidData, "{name}");
        }
        assert!(opened(b"import 2", &good).is_err());
    }
}
