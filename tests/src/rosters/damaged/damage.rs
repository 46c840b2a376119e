//! One piece of damage at a random place.

use super::part::Part;
use crate::rosters::rng::Rng;

/// Damages a file: its header, then a part for each row.
pub fn damage(rng: &mut Rng, mut parts: Vec<&mut Part>, delimiter: char) {
    let header = parts[0].damaged.len();
    let length = parts.iter().map(|part| part.damaged.len()).sum();
    if length == 0 {
        return;
    }
    // A damaged header proves little: the file is refused, or loses a column.
    let at = if header < length && rng.chance(90) {
        header + rng.below(length - header)
    } else {
        rng.below(length)
    };
    match rng.below(100) {
        0..20 => {
            let (part, offset) = find(&parts, at);
            parts[part].damaged[offset] ^= 1 << rng.below(8);
        }
        20..40 => {
            let bytes: Vec<u8> = (0..=rng.below(3)).map(|_| random_byte(rng, delimiter)).collect();
            insert(&mut parts, at, &bytes);
        }
        40..55 => drop_bytes(&mut parts, at, 1 + rng.below(3)),
        55..65 => drop_bytes(&mut parts, at, 1 + rng.below(80)),
        65..78 => {
            let (part, _) = find(&parts, at);
            while parts[part].damaged.pop_if(|byte| is_line_end(*byte)).is_some() {}
        }
        78..87 => insert(&mut parts, at, b"\""),
        87..97 => {
            let bytes: Vec<u8> = parts.iter().flat_map(|part| part.damaged.clone()).collect();
            let starts_cell =
                |at: &usize| *at == 0 || is_line_end(bytes[at - 1]) || char::from(bytes[at - 1]) == delimiter;
            let starts: Vec<usize> = (0..length).filter(starts_cell).collect();
            insert(&mut parts, rng.pick(&starts), b"\"");
        }
        _ => drop_bytes(&mut parts, at, length),
    }
}

fn random_byte(rng: &mut Rng, delimiter: char) -> u8 {
    match rng.below(12) {
        0 => b'"',
        1 => b'\n',
        2 => b'\r',
        3 => b' ',
        4 => u8::try_from(delimiter).unwrap_or(b','),
        5 => 0xC3,
        6 => 0xA5,
        7 => b'=',
        _ => u8::try_from(rng.below(256)).unwrap_or(0),
    }
}

fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

/// The part that holds the byte at `at`, and where in it. The last one holds what is beyond the end.
fn find(parts: &[&mut Part], at: usize) -> (usize, usize) {
    let mut offset = at;
    for (number, part) in parts.iter().enumerate() {
        if offset < part.damaged.len() {
            return (number, offset);
        }
        offset -= part.damaged.len();
    }
    (parts.len() - 1, parts[parts.len() - 1].damaged.len())
}

fn insert(parts: &mut [&mut Part], at: usize, bytes: &[u8]) {
    let (part, offset) = find(parts, at);
    parts[part].damaged.splice(offset..offset, bytes.iter().copied());
}

fn drop_bytes(parts: &mut [&mut Part], at: usize, count: usize) {
    for _ in 0..count {
        let (part, offset) = find(parts, at);
        if offset == parts[part].damaged.len() {
            return;
        }
        parts[part].damaged.remove(offset);
    }
}
