//! Bytes → records (§3): encodings by weight, what tools write around the data, quotes that cannot be believed.

use super::super::contents::read_contents;
use super::super::encoding::{Encoding, decode};
use super::super::records::RecordProblem::{InvalidBytes, OpenQuote, TooLong};
use super::*;

/// The rows of a file, their cells joined by `|`, or the problem of a row.
#[track_caller]
fn records(file: &str) -> Vec<String> {
    records_of(file.as_bytes(), None)
}

#[track_caller]
fn records_of(file: &[u8], charset: Option<&str>) -> Vec<String> {
    let contents = read_contents(&decode(file, charset).unwrap()).unwrap().unwrap();
    let rows = contents.rows.iter().map(|row| match row.problem {
        Some(OpenQuote) => "open".to_owned(),
        Some(InvalidBytes) => "bytes".to_owned(),
        Some(TooLong) => "long".to_owned(),
        None => row.cells.join("|"),
    });
    std::iter::once(contents.header.cells.join("|")).chain(rows).collect()
}

fn is_refused(file: &[u8]) -> bool {
    tenant().apply(Users, file, None).status == 400
}

#[test]
fn windows_1252_needs_fewer_than_half_to_be_valid_utf_8() {
    assert_eq!(Encoding::by_weight("éé".as_bytes()), Encoding::Utf8);
    assert_eq!(Encoding::by_weight(b"x"), Encoding::Utf8);
    assert_eq!(Encoding::by_weight(b"x\xE9"), Encoding::Windows1252);
    assert_eq!(Encoding::by_weight(b"\xC3\xA9 \xE9"), Encoding::Utf8);
    assert_eq!(Encoding::by_weight(b"\xC3\xA9 \xE9 \xE9"), Encoding::Windows1252);
    // One ill-formed sequence: the first two bytes of a euro sign.
    assert_eq!(Encoding::by_weight(b"\xC3\xA9 \xE2\x82"), Encoding::Utf8);
    // A lone continuation byte each.
    assert_eq!(Encoding::by_weight(b"\xC3\xA9 \x82\x82"), Encoding::Windows1252);
}

#[test]
fn utf_16_is_plain_to_see() {
    let little = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    assert_eq!(Encoding::by_weight(&little("username,enabled")), Encoding::Utf16Le);
    assert_eq!(Encoding::by_weight(&little("ab")), Encoding::Utf16Le);
    assert_eq!(Encoding::by_weight(&little("a")), Encoding::Utf8);
    // Half of it is beyond Latin-1.
    assert_eq!(Encoding::by_weight(&little("a\u{3b1}b\u{3b2}")), Encoding::Windows1252);
    // UTF-32, and a file that ends in NUL bytes.
    let utf_32: Vec<u8> = "username".chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
    assert_eq!(Encoding::by_weight(&utf_32), Encoding::Utf8);
    assert_eq!(
        Encoding::by_weight(b"username,enabled\n\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
        Encoding::Utf8
    );
}

#[test]
fn a_byte_order_mark_beats_the_charset_and_some_labels_name_none() {
    let file = "username,x\né,y\n";
    for (bytes, charset) in [
        (format!("\u{FEFF}{file}").into_bytes(), "windows-1252"),
        (format!("\u{FEFF}{file}").encode_utf16().flat_map(u16::to_be_bytes).collect(), "utf-8"),
        (format!("\u{FEFF}{file}").encode_utf16().flat_map(u16::to_le_bytes).collect(), "utf-16be"),
        (file.as_bytes().to_vec(), ""),
        (file.as_bytes().to_vec(), "binary"),
        (file.as_bytes().to_vec(), " Unknown-8bit"),
        (file.as_bytes().to_vec(), "us-ascii"),
        (file.encode_utf16().flat_map(u16::to_le_bytes).collect(), "x-unknown"),
        (b"username,x\n\xE9,y\n".to_vec(), "8bit"),
    ] {
        assert_eq!(records_of(&bytes, Some(charset)), ["username|x", "é|y"], "{charset}");
    }
    assert_eq!(records_of(file.as_bytes(), Some("latin1")), ["username|x", "Ã©|y"]);
}

#[test]
fn bad_bytes_cost_the_record_that_holds_them() {
    let file = b"user\xFFname,b\xC3\n\xC3\xA9,\xC3\xA9\na,\xFFb\n\"c\n\xC3\",d\n\"c\n\xC3\xA9\",d\n,\xE2\x82\n\xEF\xBF\xBD,\xC3\xA9\xC3\xA9";
    assert_eq!(
        records_of(file, None),
        ["user\u{FFFD}name|b\u{FFFD}", "é|é", "bytes", "bytes", "c\né|d", "bytes", "\u{FFFD}|éé"]
    );
    assert_eq!(records_of(b"username,b\n\xC3\"x,y\nz,\"\xC3\n", Some("utf-8"))[1..], ["bytes", "open"]);
}

#[test]
fn lines_before_the_header() {
    for start in [
        "sep=;\n",
        "SEP=;\r\n",
        "\n\"sep=;\"\n",
        "#TYPE System.Object\r\nsep=;\n",
        "sep=\n#type A \"b\n",
        " ;\n",
        "\"\";\"\"\n \n,,,\n",
    ] {
        assert_eq!(
            records(&format!("{start}username;b,c;d\nx;y,\n")),
            ["username|b,c|d", "x|y,"],
            "{start:?}"
        );
    }
    assert_eq!(records("sep=\t\nusername\ta,b,c\n"), ["username|a,b,c"]);
    assert_eq!(records("sep=,\nusername;a;b,c\n"), ["username;a;b|c"]);
    assert!(is_refused(b"sep=|\nusername|enabled\n"));
    assert!(is_refused(b"sep=,;\nusername,enabled\n"));
    for nothing in ["sep=;\n", "#TYPE x\n", "\u{1A}", "\0\0\0", ",,,\n\"\",\"\"\n \u{1A}", "\u{200B}\n"] {
        assert_eq!(tenant().apply(Users, nothing.as_bytes(), None).status, 200, "{nothing:?}");
    }
    // Only before the header.
    assert_eq!(records("username,b\nsep=;,x\n#TYPE x,y\n"), ["username|b", "sep=;|x", "#TYPE x|y"]);
}

#[test]
fn the_end_that_dos_leaves() {
    for end in ["\u{1A}", "\n\u{1A}", "\0\0", "\r\n\0\0\r\n,\u{1A}\r\n", "\0\u{1A}\n\n \0\n"] {
        assert_eq!(records(&format!("username,b\nx,y{end}")), ["username|b", "x|y"], "{end:?}");
    }
    // Elsewhere they are data.
    assert_eq!(records("username,b\n\u{1A}\nx\0,y\n"), ["username|b", "\u{1A}", "x\0|y"]);
    assert_eq!(records("username,b\u{1A}"), ["username|b"]);
}

#[test]
fn blank_records_are_skipped() {
    assert_eq!(
        records("username;b\n;\n \u{a0};\u{200B}\n\"\";\"\"\n=\"\";\"=\"\"\"\"\"\n;;;;\n\"\n\";\n,\nx;\n"),
        ["username|b", ",", "x|"]
    );
}

#[test]
fn quotes_after_blanks_and_an_equals_sign() {
    assert_eq!(
        records(
            "username,b,c\n \"a,\"\"x\",\u{FEFF}\"b\" ,\t\"c\"d\n=\"a,b\", =\"\"\"q\"\"\",\"=\"\"0,\"\"\"\"4\"\"\"\n=x,y\"z\",= \"q\"\n"
        ),
        ["username|b|c", "a,\"x|b|cd", "a,b|\"q\"|0,\"4", "=x|y\"z\"|= \"q\""]
    );
    // In a file with tabs a tab ends the cell.
    assert_eq!(records("username\tb\n \t\"c\td\"\n"), ["username|b", "|c\td"]);
}

#[test]
fn a_quote_that_swallows_rows_costs_the_row_in_which_it_opens() {
    let header = "username,b,c";
    for (rows, expected) in [
        // It never closes.
        ("a,\"b,c\nd,e,f\n", &["open", "d|e|f"][..]),
        ("d,e,f\na,b,\"c", &["d|e|f", "open"]),
        // A whole line inside is a row.
        ("a,\"b,c\nd,e,f\ng,h\",i\nj,k,l\n", &["open", "d|e|f", "g|h\"|i", "j|k|l"]),
        // Text follows the closing quote.
        ("a,b,\"c\nd,e,f \"g\n", &["open", "d|e|f \"g"]),
        ("a,b,\"c\nd\"e,f,g\n", &["open", "d\"e|f|g"]),
        ("a,b,\"c\nd\" \t,\n", &["a|b|c\nd|"]),
        // The first line and the last are rows.
        ("a,\"b,c\nd,e\",f\n", &["open", "d|e\"|f"]),
        // A cell of many lines.
        ("a,\"b\n\n1,2\n c\",d\ne,\"f\"\"\rg\",h\n", &["a|b\n\n1,2\n c|d", "e|f\"\rg|h"]),
        // Each row in which a quote opens is tried again from its next line.
        ("a,b,\"c\nd,e,\"f\ng,h,i\n", &["open", "open", "g|h|i"]),
    ] {
        let expected: Vec<String> = std::iter::once(header.replace(',', "|"))
            .chain(expected.iter().map(|row| (*row).into()))
            .collect();
        assert_eq!(records(&format!("{header}\n{rows}")), expected, "{rows}");
    }
    // A header of one column has no rows to tell.
    assert_eq!(records("username\n\"a\nb\nc\"\n"), ["username", "a\nb\nc"]);
}

#[test]
fn a_header_that_swallows_rows_is_refused() {
    assert!(is_refused(b"username,\"b\nx,y\n"));
    assert!(is_refused(b"username,\"b\nx\"y,z\n"));
    assert!(is_refused(b"username,\"b\nx,y\",z\n"));
    assert_eq!(records("username,\"b\nx\",c\n1,2,3\n"), ["username|b\nx|c", "1|2|3"]);
}

#[test]
fn long_records() {
    let long = "x".repeat(1024 * 1024);
    assert_eq!(records(&format!("username,b\na,{long}\nc,d\n")), ["username|b", "long", "c|d"]);
    let lines = "x\n".repeat(1024 * 600);
    assert_eq!(records(&format!("username,b\na,\"{lines}\"\nc,d\n"))[1], "open");
}
