use encoding_rs::{UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use super::*;
use crate::read::refusal::Basis;

#[test]
fn utf_8_with_and_without_mark() {
    let expected = whole(&[&["jane", "Łukasiewicz 😀"]]);
    for (bytes, charset) in [
        (TEXT.to_owned(), None),
        (format!("\u{FEFF}{TEXT}"), None),
        (TEXT.to_owned(), Some("utf-8")),
        (format!("\u{FEFF}{TEXT}"), Some(" UTF8 ")),
        (TEXT.to_owned(), Some("  ")),
    ] {
        assert_eq!(surveyed(bytes.as_bytes(), charset).format.encoding, UTF_8);
        assert_eq!(rows_of(bytes.as_bytes(), charset), expected);
    }
}

#[test]
fn utf_16_by_mark_and_by_charset() {
    let expected = whole(&[&["jane", "Łukasiewicz 😀"]]);
    let marked = format!("\u{FEFF}{TEXT}");
    for (bytes, charset, encoding) in [
        (utf_16(&marked, u16::to_le_bytes), None, UTF_16LE),
        (utf_16(&marked, u16::to_be_bytes), None, UTF_16BE),
        (utf_16(&marked, u16::to_le_bytes), Some("utf-16"), UTF_16LE),
        (utf_16(&marked, u16::to_be_bytes), Some("utf-16"), UTF_16BE),
        (utf_16(TEXT, u16::to_le_bytes), Some("utf-16"), UTF_16LE),
        (utf_16(TEXT, u16::to_le_bytes), Some("UTF-16LE"), UTF_16LE),
        (utf_16(TEXT, u16::to_be_bytes), Some("utf-16be"), UTF_16BE),
    ] {
        assert_eq!(surveyed(&bytes, charset).format.encoding, encoding);
        assert_eq!(rows_of(&bytes, charset), expected);
    }
}

#[test]
fn windows_1252_where_it_is_no_utf_8() {
    let bytes = b"username;surname\r\njane;M\xFCller \x80\r\n";
    let survey = surveyed(bytes, None);
    assert_eq!((survey.format.encoding, survey.is_fallback), (WINDOWS_1252, true));
    assert!(!surveyed(bytes, Some("iso-8859-1")).is_fallback);
    assert_eq!(rows_of(bytes, None), whole(&[&["jane", "Müller €"]]));
    assert_eq!(rows_of(bytes, Some("iso-8859-1")), whole(&[&["jane", "Müller €"]]));
}

#[test]
fn one_bad_byte_costs_one_row() {
    let mut bytes = b"username,surname\n".to_vec();
    for _ in 0..20_000 {
        bytes.extend_from_slice("jane,Łódź\n".as_bytes());
    }
    // A character that the file ends within.
    bytes.extend_from_slice(b"john,\xC5");
    for (mark, charset) in [(&b""[..], None), (b"\xEF\xBB\xBF", None), (b"", Some("utf-8"))] {
        let bytes = [mark, &bytes].concat();
        let survey = surveyed(&bytes, charset);
        assert_eq!((survey.format.encoding, survey.is_fallback), (UTF_8, false));
        let rows = read_all(&bytes[..], &survey);
        assert_eq!(rows.len(), 20_001);
        assert_eq!(rows[19_999].1, ["jane", "Łódź"]);
        assert_eq!(rows[20_000], (Shape::NotUtf8, vec![]));
    }
}

#[test]
fn a_character_that_a_quote_splits_is_not_whole() {
    let bytes = [&b"username,surname\n"[..], b"jane,\"\xC3\"\xA4b\"\n", "john,\"äöü\"\n".as_bytes()].concat();
    let rows = rows_of(&bytes, None);
    assert_eq!(rows[0], (Shape::NotUtf8, vec![]));
    assert_eq!(rows[1].1, ["john", "äöü"]);
}

#[test]
fn a_bad_byte_in_the_header_is_no_letter() {
    let survey = surveyed("username,pr\u{E9}nom,enabled\n".replace('é', "\u{FFFD}").as_bytes(), None);
    assert!(survey.header.is_some());
    let bytes = [b"username,pr\xE9nom,enabled\n", "jane,Zoë,y\njohn,Łódź,y\n".as_bytes()].concat();
    let survey = surveyed(&bytes, None);
    assert_eq!(survey.format.encoding, UTF_8);
    assert_eq!(survey.header.as_ref().expect("there is one").ignored, ["pr\u{FFFD}nom"]);
    assert_eq!(rows_of(&bytes, None).len(), 2);
}

#[test]
fn labels_that_name_no_encoding_are_passed_over() {
    for label in ["binary", "UNKNOWN-8bit", "us-ascii", " 8bit ", "none"] {
        assert_eq!(surveyed(TEXT.as_bytes(), Some(label)).format.encoding, UTF_8, "{label}");
        let bytes = b"username,surname\njane,M\xFCller\n";
        assert_eq!(surveyed(bytes, Some(label)).format.encoding, WINDOWS_1252, "{label}");
    }
}

#[test]
fn a_header_in_windows_1252_is_read_as_such() {
    let survey = surveyed(b"username,Stra\xDFe\njane,x\n", None);
    assert_eq!(survey.header.expect("there is one").ignored, ["Straße"]);
}

#[test]
fn characters_across_the_blocks_of_reading_stay_whole() {
    for shift in 0..4 {
        let surname = "x".repeat(shift) + &"😀".repeat(60);
        let mut text = format!("username,surname{}\n", " ".repeat(shift));
        text += &format!("jane,{surname}\n").repeat(1500);
        for (bytes, encoding) in [
            (text.clone().into_bytes(), UTF_8),
            (utf_16(&format!("\u{FEFF}{text}"), u16::to_be_bytes), UTF_16BE),
        ] {
            let survey = survey(&bytes[..], Endpoint::Users, None).expect("the file is good");
            assert_eq!(survey.format.encoding, encoding);
            let rows = read_all(&bytes[..], &survey);
            assert_eq!(rows.len(), 1500);
            assert!(rows.iter().all(|(_, cells)| cells[1] == surname));
        }
    }
}

#[test]
fn other_encodings_by_charset() {
    let bytes = b"username,surname\nken,\x8E\x52\x93\x63\n";
    assert_eq!(rows_of(bytes, Some("shift_jis")), whole(&[&["ken", "山田"]]));
    let bytes = b"username,surname\njan,\xA3ukasiewicz\n";
    assert_eq!(rows_of(bytes, Some("iso-8859-2")), whole(&[&["jan", "Łukasiewicz"]]));
}

#[test]
fn a_file_that_is_not_what_it_says_is_refused() {
    // Half a character at the end; half a surrogate pair; a byte that the encoding leaves out.
    let mut odd = utf_16(TEXT, u16::to_le_bytes);
    odd.push(b'x');
    assert_eq!(
        refused(&odd, Some("utf-16")),
        Refusal::File(FileRefusal::Undecodable {
            encoding: "UTF-16LE",
            basis: Basis::CharsetParameter,
            offset: 74
        })
    );
    let lone = [utf_16("\u{FEFF}username\n", u16::to_be_bytes), vec![0xD8, 0x3D], vec![0, b'x']].concat();
    assert!(matches!(
        refused(&lone, None),
        Refusal::File(FileRefusal::Undecodable { encoding: "UTF-16BE", offset: 20, .. })
    ));
    assert!(matches!(
        refused(b"username\n\xD2\n", Some("windows-1253")),
        Refusal::File(FileRefusal::Undecodable { encoding: "windows-1253", offset: 9, .. })
    ));
    let refusal = refused(&odd, None);
    assert_eq!(
        refusal.to_string(),
        "The file cannot be read as UTF-16LE, which every second byte of its first line, a zero, says it is: the bytes at \
         offset 74 are not a character of that encoding. Save the file as UTF-8, or name its encoding in a charset \
         parameter of the file."
    );
}

#[test]
fn a_mark_beats_the_charset_parameter() {
    let marked = utf_16(&format!("\u{FEFF}{TEXT}"), u16::to_le_bytes);
    for charset in ["utf-8", "windows-1252", "utf-16be", "klingon"] {
        assert_eq!(surveyed(&marked, Some(charset)).format.encoding, UTF_16LE, "{charset}");
    }
    assert_eq!(surveyed(format!("\u{FEFF}{TEXT}").as_bytes(), Some("latin1")).format.encoding, UTF_8);
}

#[test]
fn the_offset_of_a_bad_byte_counts_all_before_it() {
    let mut bytes = utf_16(&"username\n".repeat(100_000), u16::to_le_bytes);
    bytes.extend_from_slice(&[0x00, 0xDC, b'x', 0]);
    assert!(matches!(
        refused(&bytes, Some("utf-16le")),
        Refusal::File(FileRefusal::Undecodable { offset: 1_800_000, .. })
    ));
}

#[test]
fn an_unknown_charset_is_refused() {
    for label in ["utf-7", "klingon", "iso-2022-kr", "utf-8\0\n"] {
        let refusal = refused(TEXT.as_bytes(), Some(label));
        assert!(matches!(refusal, Refusal::File(FileRefusal::UnknownCharset(_))), "{refusal}");
    }
    assert!(refused(b"", Some(&"x".repeat(100_000))).to_string().contains("(xxxx"));
}

#[test]
fn utf_16_that_nothing_announces_is_read() {
    let expected = whole(&[&["jane", "Łukasiewicz 😀"]]);
    for (bytes, encoding) in
        [(utf_16(TEXT, u16::to_le_bytes), UTF_16LE), (utf_16(TEXT, u16::to_be_bytes), UTF_16BE)]
    {
        assert_eq!(surveyed(&bytes, None).format.encoding, encoding);
        assert_eq!(rows_of(&bytes, None), expected);
        assert_eq!(refused(&bytes, Some("utf-8")), Refusal::Header(HeaderRefusal::FullOfNuls));
    }
    let mixed = utf_16(
        "username,имя,фамилия,класс,учитель,enabled,staffmember,примечание,телефон\na,A\n",
        u16::to_le_bytes,
    );
    assert_eq!(refused(&mixed, None), Refusal::Header(HeaderRefusal::FullOfNuls));
    let utf_32: Vec<u8> =
        format!("\u{FEFF}{TEXT}").chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
    assert!(matches!(
        refused(&utf_32, None),
        Refusal::Header(HeaderRefusal::FullOfNuls) | Refusal::File(FileRefusal::Undecodable { .. })
    ));
}
