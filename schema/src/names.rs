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

/// The key that a username is found by: composed (NFC), with its case folded by Unicode's full folding, and without
/// invisible characters.
pub fn username_key(username: &str) -> Cow<'_, str> {
    if username.is_ascii() {
        return if username.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(username.to_ascii_lowercase())
        } else {
            Cow::Borrowed(username)
        };
    }
    // Composed before it is folded as well, because the folding of a composed character may differ from that of its parts.
    let composed: String = username.chars().filter(|c| !is_invisible(*c)).nfc().collect();
    Cow::Owned(UniCase::unicode(composed).to_folded_case().nfc().collect())
}

/// The form in which barcodes, group names and labels are stored and compared: composed (NFC), with each run of white
/// space as one space, none at the ends.
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
    false_if_unsure(is_nfc_quick(name.chars()))
        && !name.contains("  ")
        && !name.chars().any(|c| c != ' ' && c.is_whitespace())
}

fn false_if_unsure(normalized: IsNormalized) -> bool {
    normalized == IsNormalized::Yes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_that_look_alike_have_one_key() {
        for (spelling, key) in [
            ("Jane", "jane"),
            ("jane", "jane"),
            ("k.moen\u{200B}", "k.moen"),
            ("\u{202A}k.mo\u{AD}en\u{202C}", "k.moen"),
            ("l.sande\u{301}", "l.sandé"),
            ("L.SANDE\u{301}", "l.sandé"),
            ("ΣΟΦΟΣ", "σοφοσ"),
            ("σοφος", "σοφοσ"),
            ("Straße", "strasse"),
            ("STRASSE", "strasse"),
            ("\u{212B}", "å"),
            ("İnci", "i\u{307}nci"),
            ("ﬁlip", "filip"),
            ("Ω", "ω"),
        ] {
            assert_eq!(username_key(spelling), key, "{spelling:?}");
            assert_eq!(username_key(key), key, "a key is its own key: {key:?}");
        }
    }

    #[test]
    fn names_are_stored_composed_and_with_single_spaces() {
        for (written, stored) in [
            ("Year 7", "Year 7"),
            ("  Year \t 7\u{A0}", "Year 7"),
            ("Year\u{A0}7", "Year 7"),
            ("E\u{301}le\u{300}ves", "Élèves"),
            ("Élèves", "Élèves"),
            ("\u{FEFF}Year  7\u{200E}", "Year 7"),
            ("Year\n7", "Year 7"),
            ("", ""),
            ("\u{200B}", ""),
        ] {
            assert_eq!(normalized(written), stored, "{written:?}");
            assert_eq!(normalized(stored), stored, "{stored:?}");
        }
    }

    #[test]
    fn both_ends_are_trimmed_of_what_is_not_seen() {
        for (text, trimmed) in [
            ("a", "a"),
            ("", ""),
            (" \u{FEFF}a b\u{200B}\u{3000}", "a b"),
            ("\u{2060}\t", ""),
            ("\0a", "\0a"),
        ] {
            assert_eq!(trim(text), trimmed, "{text:?}");
        }
    }
}
