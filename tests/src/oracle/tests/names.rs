//! What counts as blank, and which names are one.

use super::super::names::{fold, shared_name, trim, username_key};
use super::*;

#[test]
fn usernames_are_compared_by_full_case_folding() {
    for (one, other) in [
        ("ΣΟΦΟΣ", "σοφος"),
        ("σοφοσ", "σοφος"),
        ("STRASSE", "straße"),
        ("STRA\u{1E9E}E", "strasse"),
        ("ﬁn", "FIN"),
        ("\u{130}nci", "i\u{307}nci"),
        ("\u{149}a", "\u{2BC}NA"),
        ("\u{1F0}", "J\u{30C}"),
        ("\u{390}", "\u{399}\u{308}\u{301}"),
        ("\u{1C4}uro", "\u{1C6}URO"),
        ("\u{17F}am", "SAM"),
        ("\u{212B}sa", "a\u{30A}SA"),
        ("\u{13A0}", "\u{AB70}"),
        ("\u{13F0}", "\u{13F8}"),
        ("\u{AB}n\u{BB}", "\u{AB}N\u{BB}"),
        ("e\u{323}\u{302}", "\u{1EC6}"),
    ] {
        assert_eq!(username_key(one), username_key(other), "{one} {other}");
    }
    for (one, other) in [("ı", "i"), ("o", "ø"), ("a b", "a  b"), ("ﬀ", "f"), ("ss", "s")] {
        assert_ne!(username_key(one), username_key(other), "{one} {other}");
    }
    assert_eq!(username_key("a\u{200B}\u{AD}b"), "ab");
}

#[test]
fn folding_changes_nothing_that_is_folded() {
    let folded = ('\0'..=char::MAX).flat_map(fold);
    let changed: Vec<char> = folded.filter(|c| fold(*c) != [*c]).collect();
    assert!(changed.is_empty(), "{changed:?}");
}

#[test]
fn barcodes_and_labels_are_stored_as_they_are_compared() {
    assert_eq!(shared_name("Cafe\u{301} \u{a0}\r\n7"), "Caf\u{e9} 7");
    let mut tenant = tenant();
    assert_eq!(
        outcomes(
            &mut tenant,
            "username,enabled,staffmember,barcode,presentationgroup\n\
             a,y,y,\u{200B}e\u{301}  1 ,Red\u{2003}Fox\n\
             b,y,y,\u{e9} 1,\n\
             c,y,y,E\u{301} 1,Red Fox\n\
             d,y,y,e\u{200B}1,\u{200B}\n\
             e,y,y,\u{FEFF},Red\u{2060}Fox\n"
        ),
        [
            "C",
            "Field (libraryBarcode) is already used by another user. ",
            "C",
            "Field (libraryBarcode) contains invisible characters. ",
            "Field (presentationGroupLabel) contains invisible characters. ",
        ]
    );
    assert_eq!(tenant.user("a").unwrap().library_barcode.as_deref(), Some("\u{e9} 1"));
    assert_eq!(tenant.snapshot().presentation_groups, BTreeSet::from(["Red Fox".to_owned()]));
}

#[test]
fn groups_are_named_in_any_spelling_without_invisible_characters() {
    let mut tenant = tenant();
    tenant.define_library_group("\u{c9}le\u{300}ves  1");
    rows(&mut tenant, "anna\u{308},y,y,,,\n");
    let answer = tenant.apply(
        UserGroups,
        "username,library-group,system-group\n\
         ANN\u{c4},E\u{301}l\u{e8}ves 1,\u{200B}Borrowers\n\
         ann\u{200B}\u{e4},Year\u{200B}7,\n\
         x,\u{e9}l\u{e8}ves 1,B\u{AD}orrowers\n"
            .as_bytes(),
        None,
    );
    let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(body["details"]["1"], "User Updated");
    assert_eq!(
        body["details"]["2"].as_str().unwrap().split_once("User failed").unwrap().0,
        "Field (username) contains invisible characters. Field (libraryGroup) contains invisible characters. "
    );
    assert_eq!(
        body["details"]["3"].as_str().unwrap().split_once("User failed").unwrap().0,
        "Field (username) is not a known user. Field (libraryGroup) is not a defined library group. \
         Field (systemGroup) contains invisible characters. "
    );
    assert_eq!(
        tenant.snapshot().library_groups["\u{c9}l\u{e8}ves 1"],
        BTreeSet::from(["anna\u{308}".to_owned()])
    );
}

#[test]
fn invisible_characters_are_trimmed_and_refused_inside_a_username() {
    assert_eq!(trim("\u{FEFF} a\u{200E}b \u{200F}\u{a0}"), "a\u{200E}b");
    let mut tenant = tenant();
    assert_eq!(
        rows(
            &mut tenant,
            "\u{200B},y,y,,,\na\u{200E}b,y,y,,,\nab\u{2069} ,\u{FEFF}y,y\u{200B},,,G\u{200D}G\u{FEFF}\n\u{FEFF},\u{200B},,,,\n"
        ),
        ["Field (username) may not be empty. ", "Field (username) contains invisible characters. ", "C"]
    );
    assert_eq!(tenant.user("ab").unwrap().given_name.as_deref(), Some("G\u{200D}G"));
}
