//! What counts as blank, and the forms in which names are compared (§4).

use unicode_normalization::UnicodeNormalization as _;

/// Whether a character is seen by no reader: soft hyphens, zero-width characters, directional marks, byte-order marks, and
/// the marks of annotations, shorthand, beams of notes and tags.
pub fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{AD}'
            | '\u{61C}'
            | '\u{180E}'
            | '\u{200B}'..='\u{200F}'
            | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}'
            | '\u{FEFF}'
            | '\u{FFF9}'..='\u{FFFB}'
            | '\u{1BCA0}'..='\u{1BCA3}'
            | '\u{1D173}'..='\u{1D17A}'
            | '\u{E0001}'
            | '\u{E0020}'..='\u{E007F}'
    )
}

pub fn is_blank(c: char) -> bool {
    c.is_whitespace() || is_invisible(c)
}

pub fn trim(text: &str) -> &str {
    text.trim_matches(is_blank)
}

/// The key by which usernames are compared.
pub fn username_key(username: &str) -> String {
    let folded: String = username.nfc().flat_map(fold).collect();
    folded.nfc().filter(|c| !is_invisible(*c)).collect()
}

/// The form in which barcodes, labels and group names are stored and compared.
pub fn shared_name(name: &str) -> String {
    let name: String = name.nfc().collect();
    name.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Unicode's full case folding. It is the lower case of the upper case, with few exceptions. (`ẞ` has no other upper case,
/// so the lower case comes first.) Compared once with Python's `str.casefold` for every code point that Unicode 14 assigns.
pub fn fold(c: char) -> Vec<char> {
    match c {
        // The upper case of the dotless i is `I`, but it is no `i`. Cherokee folds to its capital letters, which were
        // encoded first.
        '\u{131}' | '\u{13A0}'..='\u{13F5}' => vec![c],
        '\u{13F8}'..='\u{13FD}' => char::from_u32(u32::from(c) - 8).into_iter().collect(),
        '\u{AB70}'..='\u{ABBF}' => char::from_u32(u32::from(c) - 0xAB70 + 0x13A0).into_iter().collect(),
        _ => c.to_lowercase().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect(),
    }
}
