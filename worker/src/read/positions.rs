//! Where a byte occurs in a short line.

/// Appends the positions of `byte` in `line`. Eight bytes at a time: in lines of cells there is one every few bytes, for which
/// `memchr` is not made.
pub(super) fn push_positions(line: &[u8], byte: u8, positions: &mut Vec<usize>) {
    const LOW: u64 = 0x7F7F_7F7F_7F7F_7F7F;
    let pattern = u64::from_ne_bytes([byte; 8]);
    let mut words = line.chunks_exact(8);
    let mut at = 0;
    for word in words.by_ref() {
        let word = u64::from_le_bytes(word.try_into().unwrap_or_default()) ^ pattern;
        // The highest bit of each byte that is zero now.
        let mut found = !(((word & LOW) + LOW) | word | LOW);
        while found != 0 {
            positions.push(at + (found.trailing_zeros() / 8) as usize);
            found &= found - 1;
        }
        at += 8;
    }
    let rest = words.remainder().iter().enumerate();
    positions.extend(rest.filter(|(_, found)| **found == byte).map(|(index, _)| at + index));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_position_is_found_and_no_other() {
        for length in 0..40 {
            for pattern in 0..64_u32 {
                let line: Vec<u8> = (0..length)
                    .map(|at| match (pattern >> (at % 6)) & 1 {
                        0 => b',',
                        _ => [b'-', 0xAC, 0, 0xFF][at % 4],
                    })
                    .collect();
                let expected: Vec<usize> = (0..length).filter(|at| line[*at] == b',').collect();
                let mut found = Vec::new();
                push_positions(&line, b',', &mut found);
                assert_eq!(found, expected, "{line:?}");
            }
        }
    }
}
