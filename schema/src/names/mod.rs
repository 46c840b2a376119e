//! What names are compared by: usernames, barcodes, group names and labels.
//!
//! Two spellings that look alike are the same name: characters composed or decomposed, in upper or lower case, with a
//! zero-width space that came along with a copied text. The import, the login and the operator's command all use these
//! functions, and the database holds their results, so that its unique indexes compare names in the same way.

use std::borrow::Cow;

use unicase::UniCase;
use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfc_quick};

/// Whether a character is an invisible format character: a byte-order mark, a zero-width character, a directional mark, a
/// soft hyphen and their like. Unicode's general category Cf, without the Arabic and other signs in it that are seen.
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

/// The text without white space and invisible characters at its ends.
pub fn trim(text: &str) -> &str {
    match (text.as_bytes().first(), text.as_bytes().last()) {
        // Nearly every cell of a file.
        (Some(b'!'..=b'~'), Some(b'!'..=b'~')) | (None, None) => text,
        _ => text.trim_matches(|c: char| c.is_whitespace() || is_invisible(c)),
    }
}

/// Whether a text has an invisible character anywhere.
pub fn has_invisible(text: &str) -> bool {
    !text.is_ascii() && text.chars().any(is_invisible)
}

/// The key that a username is found by: trimmed, without invisible characters, with its case folded by Unicode's full
/// folding, and composed (NFC). Two usernames have one key if they are a canonical caseless match (Unicode, D145).
///
/// Keys are stored. Whatever changes the key of a username needs a migration that computes the stored ones again.
pub fn username_key(username: &str) -> Cow<'_, str> {
    let username = trim(username);
    if username.is_ascii() {
        return if username.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(username.to_ascii_lowercase())
        } else {
            Cow::Borrowed(username)
        };
    }
    // Decomposed before it is folded: an iota subscript, which folds to a letter, then stands after all other marks.
    let decomposed: String = username.chars().filter(|c| !is_invisible(*c)).nfd().collect();
    Cow::Owned(UniCase::unicode(decomposed).to_folded_case().nfc().collect())
}

/// The form in which barcodes, group names and labels are stored and compared: composed (NFC), with each run of white
/// space as one space, none at the ends. Like keys, it is stored.
pub fn normalized(name: &str) -> Cow<'_, str> {
    let name = trim(name);
    if is_normalized(name) {
        return Cow::Borrowed(name);
    }
    let mut normalized = String::with_capacity(name.len());
    for word in name.split_whitespace() {
        if !normalized.is_empty() {
            normalized.push(' ');
        }
        normalized.extend(word.nfc());
    }
    Cow::Owned(normalized)
}

/// Whether a trimmed name is in its stored form already. May deny it of one that is.
fn is_normalized(name: &str) -> bool {
    if name.is_ascii() {
        let mut after_space = false;
        return name.bytes().all(|byte| {
            let doubled = after_space && byte == b' ';
            after_space = byte == b' ';
            !doubled && !matches!(byte, b'\t'..=b'\r')
        });
    }
    is_nfc_quick(name.chars()) == IsNormalized::Yes
        && !name.contains("  ")
        && !name.chars().any(|c| c != ' ' && c.is_whitespace())
}

#[cfg(test)]
mod tests;
