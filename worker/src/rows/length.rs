//! How long a text may be.

/// The longest text that a cell may hold, in characters.
const MAX_CHARS: usize = 255;

/// Whether a text has more than 255 characters.
pub fn is_too_long(cell: &str) -> bool {
    cell.len() > MAX_CHARS && cell.chars().nth(MAX_CHARS).is_some()
}
