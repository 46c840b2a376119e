//! Sealed uploads: the STREAM construction over XChaCha20-Poly1305.
//!
//! Each segment of 64 KiB is authenticated together with its position and whether it is the last, so a segment that was
//! moved, repeated or removed is detected. The import's identity is authenticated too, so one upload cannot replace
//! another.

use std::io::{self, Read};

use aead_stream::{DecryptorBE32, EncryptorBE32};
use chacha20poly1305::XChaCha20Poly1305;

use super::key::{ServiceKey, fill_random};

/// Bytes of plain text in a segment.
const SEGMENT_BYTES: usize = 64 * 1024;
/// Bytes that sealing adds to a segment.
const TAG_BYTES: usize = 16;
/// Bytes of an upload's random nonce prefix; the STREAM construction fills the other five.
const PREFIX_BYTES: usize = 19;
/// The first bytes of every sealed upload: the format and its version.
const MAGIC: &[u8; 4] = b"RCU1";
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
    /// `context` identifies the upload and must be given again to open it.
    pub fn new(key: &ServiceKey, context: &[u8]) -> Self {
        let mut prefix = [0; PREFIX_BYTES];
        fill_random(&mut prefix);
        let mut head = MAGIC.to_vec();
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

/// Opens a sealed upload as it is read. One that was changed or truncated, was sealed with another key or belongs to
/// another import fails with [`io::ErrorKind::InvalidData`].
pub struct UploadOpener<R> {
    cipher: Option<XChaCha20Poly1305>,
    stream: Option<DecryptorBE32<XChaCha20Poly1305>>,
    context: Vec<u8>,
    sealed: R,
    /// The next sealed segment, read ahead: only what follows a segment tells whether it is the last.
    next: Vec<u8>,
    plain: Vec<u8>,
    position: usize,
}

impl<R: Read> UploadOpener<R> {
    /// `context` is the one that the upload was sealed with.
    pub fn new(key: &ServiceKey, context: &[u8], sealed: R) -> Self {
        Self {
            cipher: Some(key.cipher(PURPOSE)),
            stream: None,
            context: context.to_vec(),
            sealed,
            next: Vec::new(),
            plain: Vec::new(),
            position: 0,
        }
    }

    fn begin(&mut self, cipher: XChaCha20Poly1305) -> io::Result<()> {
        let mut head = [0; MAGIC.len() + PREFIX_BYTES];
        self.sealed.read_exact(&mut head).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => damaged(),
            _ => error,
        })?;
        let prefix: [u8; PREFIX_BYTES] =
            head.strip_prefix(MAGIC).and_then(|prefix| prefix.try_into().ok()).ok_or_else(damaged)?;
        self.stream = Some(DecryptorBE32::from_aead(cipher, &prefix.into()));
        self.next = self.read_segment()?;
        Ok(())
    }

    fn read_segment(&mut self) -> io::Result<Vec<u8>> {
        let mut segment = std::mem::take(&mut self.plain);
        segment.clear();
        segment.reserve(SEGMENT_BYTES + TAG_BYTES);
        (&mut self.sealed).take((SEGMENT_BYTES + TAG_BYTES) as u64).read_to_end(&mut segment)?;
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn key() -> ServiceKey {
        ServiceKey::from_hex(&"5a".repeat(32)).unwrap()
    }

    fn sealed(plain: &[u8]) -> Vec<u8> {
        let mut sealer = UploadSealer::new(&key(), b"import 1");
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
        UploadOpener::new(&key(), context, sealed).read_to_end(&mut plain)?;
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
            assert_eq!(opened(b"import 1", &sealed(&plain)).unwrap(), plain, "{length}");
        }
    }

    #[test]
    fn a_changed_truncated_or_foreign_upload_is_rejected() {
        let good = sealed(&vec![7; 3 * SEGMENT_BYTES]);
        let head = MAGIC.len() + PREFIX_BYTES;
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
