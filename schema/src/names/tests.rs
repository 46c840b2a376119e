#![allow(clippy::unwrap_used)]
use std::collections::BTreeSet;

use unicode_normalization::char::canonical_combining_class;

use super::*;

#[test]
fn spellings_that_look_alike_have_one_key() {
    for (spelling, key) in [
        ("Jane", "jane"),
        ("jane", "jane"),
        ("  jane\u{A0}", "jane"),
        ("k.moen\u{200B}", "k.moen"),
        ("k.moen \u{200B}", "k.moen"),
        ("\u{202A}k.mo\u{AD}en\u{202C}", "k.moen"),
        // What was invisible stood between a letter and its accent.
        ("e\u{200B}\u{301}", "é"),
        ("l.sande\u{301}", "l.sandé"),
        ("L.SANDE\u{301}", "l.sandé"),
        ("ΣΟΦΟΣ", "σοφοσ"),
        ("σοφος", "σοφοσ"),
        ("Straße", "strasse"),
        ("STRASSE", "strasse"),
        ("STRAẞE", "strasse"),
        ("\u{212B}", "å"),
        ("İnci", "i\u{307}nci"),
        ("ﬁlip", "filip"),
        ("Ω", "ω"),
        // An iota subscript under a vowel that has a further mark below.
        ("α\u{323}\u{345}", "α\u{323}ι"),
        ("ᾳ\u{323}", "α\u{323}ι"),
        ("Α\u{323}Ι", "α\u{323}ι"),
        // Hangul, as letters and as syllables.
        ("\u{1112}\u{1161}\u{11AB}", "한"),
    ] {
        assert_eq!(username_key(spelling), key, "{spelling:?}");
        assert_eq!(username_key(key), key, "a key is its own key: {key:?}");
    }
}

#[test]
fn different_names_have_different_keys() {
    for (one, other) in [
        ("k.moen", "k.møen"),
        ("sande", "sandé"),
        // Turkish tells them apart, and so does the folding that is for every language.
        ("ırmak", "irmak"),
        // Compatibility is not equality: the digit is raised, the letters are wide.
        ("x2", "x²"),
        ("abc", "ａｂｃ"),
        ("a b", "ab"),
        // Greek, Cyrillic and Latin letters look alike, but no file confuses them.
        ("A", "Α"),
        ("A", "А"),
    ] {
        assert_ne!(username_key(one), username_key(other), "{one:?} {other:?}");
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
        ("B-1", "B-1"),
        // Case, and what can be seen, is kept.
        ("b-1 ß ς", "b-1 ß ς"),
        ("", ""),
        ("\u{200B}", ""),
    ] {
        assert_eq!(normalized(written), stored, "{written:?}");
        assert_eq!(normalized(stored), stored, "{stored:?}");
    }
}

#[test]
fn both_ends_are_trimmed_of_what_is_not_seen() {
    for (text, trimmed) in
        [("a", "a"), ("", ""), (" \u{FEFF}a b\u{200B}\u{3000}", "a b"), ("\u{2060}\t", ""), ("\0a", "\0a")]
    {
        assert_eq!(trim(text), trimmed, "{text:?}");
    }
}

/// Every character.
fn scalars() -> impl Iterator<Item = char> {
    '\0'..=char::MAX
}

/// Texts in which Unicode may surprise: every character alone, between letters, and every character with a case or a
/// decomposition followed by each of the marks that compose, by one mark of every other combining class, by an invisible
/// character and by a space.
fn for_each_text(mut check: impl FnMut(&str)) {
    let mut classes = BTreeSet::new();
    let mut followers: BTreeSet<char> = scalars()
        .flat_map(unicode_normalization::UnicodeNormalization::nfd)
        .filter(|c| canonical_combining_class(*c) != 0)
        .collect();
    classes.extend(followers.iter().map(|c| canonical_combining_class(*c)));
    followers.extend(scalars().filter(|c| {
        let class = canonical_combining_class(*c);
        class != 0 && classes.insert(class)
    }));
    followers.extend(['\u{345}', '\u{200B}', ' ']);
    assert!(followers.len() > 100, "{followers:?}");
    let mut text = String::new();
    for c in scalars() {
        text.clear();
        text.push(c);
        check(&text);
        let decomposes = text.nfd().ne([c]);
        text.insert(0, 'A');
        text.push('b');
        check(&text);
        if !(c.is_uppercase() || c.is_lowercase() || decomposes) || ('가'..='힣').contains(&c) {
            continue;
        }
        for follower in &followers {
            text.clear();
            text.extend([c, *follower]);
            check(&text);
        }
    }
}

#[test]
fn canonically_equivalent_texts_have_one_form_which_is_its_own_form() {
    for_each_text(|text| {
        let (composed, decomposed): (String, String) = (text.nfc().collect(), text.nfd().collect());
        let key = username_key(text);
        assert_eq!(username_key(&key), key, "key of a key: {text:?}");
        assert_eq!(username_key(&composed), key, "composed: {text:?}");
        assert_eq!(username_key(&decomposed), key, "decomposed: {text:?}");
        assert_eq!(username_key(trim(text)), key, "trimmed: {text:?}");
        assert!(!has_invisible(&key) && trim(&key) == key, "{text:?}: {key:?}");
        let stored = normalized(text);
        assert_eq!(normalized(&stored), stored, "form of a form: {text:?}");
        assert_eq!(normalized(&composed), stored, "composed: {text:?}");
        assert_eq!(normalized(&decomposed), stored, "decomposed: {text:?}");
        assert!(stored.nfc().eq(stored.chars()), "{text:?}: {stored:?}");
    });
}

#[test]
fn upper_and_lower_case_have_one_key() {
    for_each_text(|text| {
        // Rust's own tables, of another origin than those of the folding. The dotless i is the one letter whose upper case
        // is that of another letter.
        if text.contains('ı') {
            return;
        }
        let key = username_key(text);
        let decomposed: String = text.nfd().collect();
        assert_eq!(username_key(&decomposed.to_uppercase()), key, "upper case of {text:?}");
        assert_eq!(username_key(&decomposed.to_lowercase()), key, "lower case of {text:?}");
    });
}

/// Keys and forms are stored. Unicode promises that those of assigned characters stay; those of characters that a new
/// version assigns may change with an update of a dependency.
#[test]
fn stored_forms_are_those_of_the_last_release() {
    let mut hasher = blake3::Hasher::new();
    for c in scalars() {
        let mut buffer = [0; 4];
        let text = c.encode_utf8(&mut buffer);
        hasher
            .update(username_key(text).as_bytes())
            .update(b"\0")
            .update(normalized(text).as_bytes())
            .update(b"\0");
    }
    assert_eq!(
        hasher.finalize().to_hex().as_str(),
        "b0c558da318ce7cf132369d828670eb40e66602e74b85653e44be3eaa05fb148",
        "names of some characters have other keys than those in the databases: add a migration that computes them again \
         (schema/migrations/README.md), then set this value"
    );
}
