//! HTTP Basic credentials: exactly those are read that a plain reading of RFC 7617 finds, and what was read can be sent again.

use http::Request;
use http::header::{AUTHORIZATION, HeaderValue};
use rollcall_api::auth::credentials::Credentials;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub fn run(bytes: &[u8]) {
    let read = read(bytes);
    // HTTP itself refuses control characters.
    if HeaderValue::from_bytes(bytes).is_ok() {
        assert_eq!(read, expected(bytes));
    }
    if let Some((username, password)) = read {
        assert!(!username.contains(':'));
        let pair = [username.as_bytes(), b":", &password].concat();
        let again = format!("Basic {}", encode(&pair));
        assert_eq!(self::read(again.as_bytes()), Some((username, password)), "{again}");
    }
    // Every pair that can be sent is read.
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Some((username, password)) = text.split_once(':')
    {
        let header = format!("Basic {}", encode(bytes));
        assert_eq!(self::read(header.as_bytes()), Some((username.to_owned(), password.as_bytes().to_vec())));
    }
}

fn read(header: &[u8]) -> Option<(String, Vec<u8>)> {
    let value = HeaderValue::from_bytes(header).ok()?;
    let request = Request::builder().header(AUTHORIZATION, value).body(()).expect("a request can be built");
    match Credentials::read(&request.into_parts().0)? {
        Credentials::Account { username, password } => Some((username, password.to_vec())),
        // Its checksum is not guessed.
        Credentials::Token(_) => None,
    }
}

/// The username and the password of a header, read in the plainest way.
fn expected(header: &[u8]) -> Option<(String, Vec<u8>)> {
    let space = header.iter().position(|byte| *byte == b' ')?;
    let (scheme, encoded) = header.split_at(space);
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return None;
    }
    let bytes = decode(encoded.trim_ascii())?;
    let text = String::from_utf8(bytes).unwrap_or_else(|error| {
        let latin_1 = error.as_bytes().iter().map(|byte| char::from(*byte));
        latin_1.collect()
    });
    let (username, password) = text.split_once(':')?;
    Some((username.to_owned(), password.as_bytes().to_vec()))
}

fn encode(bytes: &[u8]) -> String {
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let at = |index: usize| u32::from(group.get(index).copied().unwrap_or_default());
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for digit in 0..4 {
            let index = bits >> (18 - 6 * digit) & 63;
            text.push(if digit <= group.len() { char::from(ALPHABET[index as usize]) } else { '=' });
        }
    }
    text
}

/// Base64 with its padding, a part of it, or none.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let digits = text.split(|byte| *byte == b'=').next().unwrap_or_default();
    let padding = &text[digits.len()..];
    let missing = digits.len().next_multiple_of(4) - digits.len();
    if padding.len() > missing || padding.iter().any(|byte| *byte != b'=') || missing == 3 {
        return None;
    }
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for digit in digits {
        let value = ALPHABET.iter().position(|known| known == digit)?;
        bits = bits << 6 | u32::try_from(value).ok()?;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xFF).ok()?);
            bits &= (1 << count) - 1;
        }
    }
    // What is left over belongs to no byte and must be zero.
    (bits == 0).then_some(bytes)
}
