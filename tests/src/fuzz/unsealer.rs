//! Sealed uploads and sealed passwords: what was changed in any way opens to nothing but the beginning of what was sealed, and
//! bytes that were never sealed do not open at all.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Read as _;

use futures_util::FutureExt as _;
use rollcall_schema::crypto::key::{DataKey, ORIGINAL_KEY, ServiceKey};
use rollcall_schema::crypto::upload_stream::{UploadHead, UploadOpener, UploadSealer};
use rollcall_schema::key_ring::data_keys::{DataKeys, SealKey};
use rollcall_schema::key_ring::ring::KeyRing;
use rollcall_schema::passwords::keys::PasswordKeys;

use super::input::Input;

const CONTEXT: &[u8] = b"import 1";
/// A sealed segment, and what comes before the first.
const SEALED_SEGMENT: usize = 64 * 1024 + 16;
const HEAD: usize = 4 + 4 + 19;
/// The id of the data key that seals.
const KEY: i32 = 2;
/// What is put in twice doubles at most so often.
const MAX_CHANGES: usize = 4;

/// A key that belongs to the input. libFuzzer watches comparisons, those of a seal's tag as well: under a fixed key it learns
/// the right tag, puts it into the next input, and has sealed without the key.
fn own_key(input: &[u8], number: u8) -> DataKey {
    let words = [0_u8, 1, 2, 3].map(|word| {
        let mut hasher = DefaultHasher::new();
        (number, word, input).hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    });
    ServiceKey::from_hex(&words.concat()).expect("64 hexadecimal digits").as_data_key()
}

pub fn run(bytes: &[u8]) {
    // As after a rotation of the service key: an earlier data key opens, a newer one seals.
    let [earlier, key] = [0, 1].map(|number| own_key(bytes, number));
    let seals = [SealKey::new(ORIGINAL_KEY, earlier.clone()), SealKey::new(KEY, key.clone())];
    let keys = DataKeys::new(earlier, seals).expect("there is a key that seals");
    let mut input = Input::new(bytes);

    // As they came.
    assert!(open(&key, CONTEXT, bytes).1.is_err(), "what was never sealed does not open");
    let passwords = PasswordKeys::new(&KeyRing::fixed(keys));
    assert_eq!(open_password(&passwords, b"jane", bytes), None);

    let plain = plain(&mut input);
    let sealed = seal(&key, CONTEXT, &plain);
    assert_eq!(open(&key, CONTEXT, &sealed), (plain.clone(), Ok(())));
    assert!(open(&key, b"import 2", &sealed).1.is_err(), "another import's upload does not open");
    let password = input.bytes(40);
    let sealed_password = passwords.seal(b"jane", password);
    assert_eq!(open_password(&passwords, b"jane", &sealed_password).as_deref(), Some(password));
    assert_eq!(open_password(&passwords, b"john", &sealed_password), None);

    let mut changed = sealed.clone();
    let mut changed_password = sealed_password.clone();
    for _ in 0..MAX_CHANGES {
        if input.is_empty() {
            break;
        }
        let change = input.byte();
        let (at, to) = (place(&mut input, sealed.len()), place(&mut input, sealed.len()));
        let other = || seal(&key, b"import 2", &plain);
        alter(&mut changed, change, at, to, other);
        alter(&mut changed_password, change, at, to, || passwords.seal(b"john", password));
    }
    let (opened, result) = open(&key, CONTEXT, &changed);
    assert!(plain.starts_with(&opened), "only what was sealed comes out, from its start");
    assert_eq!(result.is_ok(), changed == sealed, "it opens to its end exactly if it is what was sealed");
    let opened = open_password(&passwords, b"jane", &changed_password);
    assert_eq!(opened.is_some(), changed_password == sealed_password);
}

/// A plain text of up to three segments and a bit: few bytes of the input, over and over.
fn plain(input: &mut Input<'_>) -> Vec<u8> {
    let length = match input.byte() {
        small @ 0..0xC0 => usize::from(small),
        // Around the end of a segment.
        large => 64 * 1024 * usize::from(large % 4) + usize::from(large / 4 % 4),
    };
    let unit = [input.bytes(7), &[0]].concat();
    let mut plain = unit.repeat(length.div_ceil(unit.len()));
    plain.truncate(length);
    plain
}

/// A position in a sealed upload: often where something ends.
fn place(input: &mut Input<'_>, length: usize) -> usize {
    let place = input.number();
    let at = match place % 4 {
        0 => place / 4,
        1 => HEAD + SEALED_SEGMENT * (place / 4 % 4),
        2 => length.saturating_sub(place / 4 % 64),
        _ => HEAD + SEALED_SEGMENT * (place / 4 % 4) + place / 16 % 32,
    };
    at.min(length)
}

fn alter(sealed: &mut Vec<u8>, change: u8, at: usize, to: usize, other: impl Fn() -> Vec<u8>) {
    let (at, to) = (at.min(sealed.len()), to.min(sealed.len()));
    let (from, to) = (at.min(to), at.max(to));
    match change % 8 {
        0 => sealed.truncate(from),
        1 => drop(sealed.drain(from..to)),
        2 => sealed.extend_from_within(from..to),
        3 => sealed[from..to].reverse(),
        4 => {
            // Two segments of the same upload change places.
            let half = usize::midpoint(from, to);
            let length = (half - from).min(SEALED_SEGMENT);
            let (first, second) = sealed.split_at_mut(half);
            first[from..from + length].swap_with_slice(&mut second[..length]);
        }
        5 => {
            // A part of another upload under the same key.
            let other = other();
            let to = to.min(other.len());
            if from < to {
                sealed[from..to].copy_from_slice(&other[from..to]);
            }
        }
        _ => {
            if let Some(byte) = sealed.get_mut(from) {
                *byte ^= 1 << (change / 8 % 8);
            }
        }
    }
}

fn seal(key: &DataKey, context: &[u8], plain: &[u8]) -> Vec<u8> {
    let mut sealer = UploadSealer::new(KEY, key, context);
    let mut bytes = Vec::new();
    for piece in plain.chunks(50_000) {
        sealer.write(piece);
        bytes.append(&mut sealer.take_sealed());
    }
    bytes.append(&mut sealer.finish());
    bytes
}

/// What an opener returns, and how it ends.
fn open(key: &DataKey, context: &[u8], mut sealed: &[u8]) -> (Vec<u8>, Result<(), std::io::ErrorKind>) {
    let mut opened = Vec::new();
    let result = match UploadHead::read(&mut sealed) {
        Ok(head) if head.key == KEY => {
            UploadOpener::new(head, key, context, sealed).read_to_end(&mut opened).map(|_| ())
        }
        // Of another key, which the installation does not have.
        Ok(_) => Err(std::io::ErrorKind::InvalidData.into()),
        Err(error) => Err(error),
    };
    (opened, result.map_err(|error| error.kind()))
}

fn open_password(keys: &PasswordKeys, owner: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let opened = keys.open(owner, sealed).now_or_never().expect("keys that are fixed are not waited for");
    opened.ok().map(|password| password.to_vec())
}
