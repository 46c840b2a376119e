use std::io::{self, Read};

use encoding_rs::{UTF_16BE, UTF_16LE, WINDOWS_1252};
use rollcall_schema::import::Kind;

use super::records::MAX_RECORD_BYTES;
use super::*;

/// Gives one byte at a time, with interruptions between them.
struct OneByte<'a> {
    bytes: &'a [u8],
    interrupted: bool,
}

fn one_byte(bytes: &[u8]) -> OneByte<'_> {
    OneByte { bytes, interrupted: false }
}

impl Read for OneByte<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.interrupted = !self.interrupted;
        if self.interrupted {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let length = buffer.len().min(1);
        self.bytes.read(&mut buffer[..length])
    }
}

/// Fails once its bytes are used up.
struct Broken<'a>(&'a [u8]);

impl Read for Broken<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::Error::other("the store went away")),
            length => Ok(length),
        }
    }
}

fn surveyed(bytes: &[u8], charset: Option<&str>) -> Survey {
    let survey = survey(bytes, Endpoint::Users, charset).expect("the file is good");
    let again = super::survey(one_byte(bytes), Endpoint::Users, charset).expect("the file is good");
    assert_eq!(survey, again, "the sizes of reads must not matter");
    survey
}

fn refused(bytes: &[u8], charset: Option<&str>) -> Refusal {
    let refusal = |error: ReadError| match error {
        ReadError::Refused(refusal) => refusal,
        ReadError::Io(error) => panic!("{error}"),
    };
    let first = refusal(survey(bytes, Endpoint::Users, charset).expect_err("the file is bad"));
    let again = refusal(survey(one_byte(bytes), Endpoint::Users, charset).expect_err("the file is bad"));
    assert_eq!(first, again, "the sizes of reads must not matter");
    let text = first.to_string();
    assert!(text.ends_with('.') && !text.contains(char::is_control) && text.chars().count() < 1000, "{text}");
    first
}

type Rows = Vec<(Shape, Vec<String>)>;

fn read_all(source: impl Read, survey: &Survey) -> Rows {
    let mut records = Records::open(source, survey);
    let mut rows: Rows = Vec::new();
    while let Some(record) = records.next_record().expect("memory can be read") {
        rows.push((record.shape(), record.cells().map(str::to_owned).collect()));
        assert_eq!(record.number().0, rows.len() as u64);
        assert_eq!(record.cells().count(), record.len());
    }
    assert!(records.next_record().expect("memory can be read").is_none(), "the end stays the end");
    rows
}

fn rows_of(bytes: &[u8], charset: Option<&str>) -> Rows {
    let survey = surveyed(bytes, charset);
    let rows = read_all(bytes, &survey);
    assert_eq!(read_all(one_byte(bytes), &survey), rows);
    assert_eq!(count_rows(bytes, &survey).expect("memory can be read"), rows.len() as u64);
    rows
}

fn whole(rows: &[&[&str]]) -> Rows {
    rows.iter().map(|row| (Shape::Whole, row.iter().map(|&cell| cell.to_owned()).collect())).collect()
}

fn utf_16(text: &str, to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(to_bytes).collect()
}

// Encodings.

const TEXT: &str = "username,surname\njane,Łukasiewicz 😀\n";

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
        assert_eq!(surveyed(bytes.as_bytes(), charset).encoding, UTF_8);
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
        assert_eq!(surveyed(&bytes, charset).encoding, encoding);
        assert_eq!(rows_of(&bytes, charset), expected);
    }
}

#[test]
fn windows_1252_where_it_is_no_utf_8() {
    let bytes = b"username;surname\r\njane;M\xFCller \x80\r\n";
    assert_eq!(surveyed(bytes, None).encoding, WINDOWS_1252);
    assert_eq!(rows_of(bytes, None), whole(&[&["jane", "Müller €"]]));
    assert_eq!(rows_of(bytes, Some("iso-8859-1")), whole(&[&["jane", "Müller €"]]));
}

#[test]
fn windows_1252_where_only_the_last_byte_says_so() {
    let mut bytes = b"username,surname\n".to_vec();
    for _ in 0..20_000 {
        bytes.extend_from_slice("jane,Łódź\n".as_bytes());
    }
    assert_eq!(surveyed(&bytes, None).encoding, UTF_8);
    // A character that the file ends within.
    bytes.push(0xC5);
    let survey = surveyed(&bytes, None);
    assert_eq!(survey.encoding, WINDOWS_1252);
    assert_eq!(count_rows(&bytes[..], &survey).expect("memory can be read"), 20_001);
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
            assert_eq!(survey.encoding, encoding);
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
    let refusal = refused(b"username\nM\xFCller\n", Some("utf-8"));
    assert_eq!(
        refusal.to_string(),
        "The file cannot be read as UTF-8, which its charset parameter says it is: the bytes at offset 10 are not a \
         character of that encoding. Save the file as UTF-8, or correct or leave out the charset parameter."
    );
    let refusal = refused(b"\xEF\xBB\xBFusername\nM\xFCller\n", None);
    assert_eq!(
        refusal.to_string(),
        "The file cannot be read as UTF-8, which its byte-order mark says it is: the bytes at offset 13 are not a \
         character of that encoding. Save the file as UTF-8, or take out the byte-order mark that it starts with."
    );
    // Half a character at the end; half a surrogate pair; a byte that the encoding leaves out.
    let mut odd = utf_16(TEXT, u16::to_le_bytes);
    odd.push(b'x');
    assert_eq!(
        refused(&odd, Some("utf-16")),
        Refusal::Undecodable { encoding: "UTF-16LE", basis: refusal::Basis::CharsetParameter, offset: 74 }
    );
    let lone = [utf_16("\u{FEFF}username\n", u16::to_be_bytes), vec![0xD8, 0x3D], vec![0, b'x']].concat();
    assert!(matches!(refused(&lone, None), Refusal::Undecodable { encoding: "UTF-16BE", offset: 20, .. }));
    assert!(matches!(
        refused(b"username\n\xD2\n", Some("windows-1253")),
        Refusal::Undecodable { encoding: "windows-1253", offset: 9, .. }
    ));
    // The charset parameter comes before the mark.
    assert!(matches!(
        refused(&utf_16("\u{FEFF}username\n", u16::to_le_bytes), Some("utf-8")),
        Refusal::Undecodable { encoding: "UTF-8", offset: 0, .. }
    ));
}

#[test]
fn the_offset_of_a_bad_byte_counts_all_before_it() {
    let mut bytes = "username\n".repeat(100_000).into_bytes();
    bytes.extend_from_slice(b"\xFF rest");
    assert!(matches!(refused(&bytes, Some("utf-8")), Refusal::Undecodable { offset: 900_000, .. }));
    let mut bytes = utf_16(&"username\n".repeat(100_000), u16::to_le_bytes);
    bytes.extend_from_slice(&[0x00, 0xDC, b'x', 0]);
    assert!(matches!(refused(&bytes, Some("utf-16le")), Refusal::Undecodable { offset: 1_800_000, .. }));
}

#[test]
fn an_unknown_charset_is_refused() {
    for label in ["utf-7", "klingon", "iso-2022-kr", "utf-8\0\n"] {
        let refusal = refused(TEXT.as_bytes(), Some(label));
        assert!(matches!(refusal, Refusal::UnknownCharset(_)), "{refusal}");
    }
    assert!(refused(b"", Some(&"x".repeat(100_000))).to_string().contains("(xxxx"));
}

#[test]
fn utf_16_that_nothing_announces_is_named() {
    for bytes in [utf_16(TEXT, u16::to_le_bytes), utf_16(TEXT, u16::to_be_bytes)] {
        assert_eq!(refused(&bytes, None), Refusal::HeaderFullOfNuls);
    }
    let utf_32: Vec<u8> =
        format!("\u{FEFF}{TEXT}").chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
    assert!(matches!(refused(&utf_32, None), Refusal::HeaderFullOfNuls | Refusal::Undecodable { .. }));
}

// What is no CSV, and what is no file.

#[test]
fn other_types_of_file_are_named() {
    let cases: [(&[u8], &str); 4] = [
        (b"PK\x03\x04\x14\0\x06\0\x08\0\0\0!\0\xFF", "is a ZIP archive or an Excel workbook, not a CSV"),
        (b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1\0\0\0\0", "is an old Excel workbook (.xls), not a CSV"),
        (b"%PDF-1.7\n%\xE2\xE3\xCF\xD3\n", "is a PDF document, not a CSV"),
        (b"\x1F\x8B\x08\0\0\0\0\0\0\x03", "is a gzip-compressed file, not a CSV"),
    ];
    for (bytes, expected) in cases {
        for charset in [None, Some("utf-8"), Some("utf-16")] {
            let text = refused(bytes, charset).to_string();
            assert!(text.contains(expected), "{text}");
        }
    }
}

#[test]
fn a_file_without_rows_is_no_error() {
    for bytes in [
        &b""[..],
        b"\n",
        b"\r\n \r\n\t\t\n",
        b"\xEF\xBB\xBF",
        b"\xEF\xBB\xBF\n\n",
        b"\xFF\xFE",
        b"\xFF\xFE\n\0",
        b"  ",
    ] {
        let survey = surveyed(bytes, None);
        assert_eq!(survey.header, None, "{bytes:?}");
        assert_eq!(rows_of(bytes, None), Rows::new());
    }
    assert_eq!(rows_of(b"username", None), Rows::new());
    assert_eq!(rows_of(b"\n\nusername,enabled\r\n\r\n", None), Rows::new());
}

#[test]
fn a_source_that_fails_is_no_refusal() {
    for bytes in [&b""[..], b"PK\x03\x04", b"username\n", b"username\n\xFF", b"\xFF\xFEu\0"] {
        let error = survey(Broken(bytes), Endpoint::Users, None).expect_err("the source fails");
        assert!(matches!(error, ReadError::Io(_)), "{error}");
    }
    let survey = surveyed(b"username\na\nb\n", None);
    assert!(count_rows(Broken(b"username\na\nb\n"), &survey).is_err());
}

#[test]
fn a_file_that_changed_since_the_survey_is_an_error_of_reading() {
    let survey = surveyed(TEXT.as_bytes(), None);
    let error = count_rows(&b"username\nM\xFCller\n"[..], &survey).expect_err("it is no UTF-8");
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
}

// Records.

#[test]
fn every_line_end_ends_a_row() {
    let expected = whole(&[&["a", "1"], &["b", "2"], &["c", "3"]]);
    for end in ["\n", "\r\n", "\r"] {
        let text = ["username,enabled", "a,1", "b,2", "c,3"].join(end);
        assert_eq!(rows_of(text.as_bytes(), None), expected, "{end:?}");
        assert_eq!(rows_of((text + end).as_bytes(), None), expected, "{end:?}");
    }
    assert_eq!(rows_of(b"username,enabled\ra,1\nb,2\r\nc,3\n\r", None), expected);
}

#[test]
fn blank_lines_are_skipped_and_not_counted() {
    let text = "\n \nusername,enabled\n\na,1\n  \t \n\u{A0}\u{3000}\nb,2\r\n\r\n\r\r\n  ";
    assert_eq!(rows_of(text.as_bytes(), None), whole(&[&["a", "1"], &["b", "2"]]));
}

#[test]
fn a_line_of_delimiters_or_quotes_is_a_row_unless_it_is_white_space() {
    let text = "username,enabled\n,\n\"\"\n\" \"\n\"\n\"\n";
    assert_eq!(rows_of(text.as_bytes(), None), whole(&[&["", ""], &[""], &[""], &[""]]));
    let text = "\t\t\nusername\tenabled\n\t\n\t\t\t\n\"\"\t\n\ta\n";
    assert_eq!(rows_of(text.as_bytes(), None), whole(&[&["", ""], &["", "a"]]));
}

#[test]
fn quotes_hold_delimiters_line_ends_and_quotes() {
    let text = "username,surname\n\"a,\"\"b\"\"\",\"c\r\nd\"\n5\" disk,e\n";
    assert_eq!(rows_of(text.as_bytes(), None), whole(&[&["a,\"b\"", "c\r\nd"], &["5\" disk", "e"]]));
}

#[test]
fn cells_are_trimmed_and_nul_is_data() {
    let text = "username,surname\n \u{A0}a\t,\" b \"\n\0,c\0\n";
    assert_eq!(rows_of(text.as_bytes(), None), whole(&[&["a", "b"], &["\0", "c\0"]]));
}

#[test]
fn a_quote_that_never_closes_is_one_bad_row() {
    for rest in ["", "b", "b,2\nc,3", "b,2\nc,3\n", "b\"\"", "b\"\"\n"] {
        let text = format!("username,enabled\na,1\n\"{rest}");
        let rows = rows_of(text.as_bytes(), None);
        assert_eq!(rows.len(), 2, "{text:?}");
        assert_eq!(rows[1], (Shape::QuoteNeverCloses, vec![]), "{text:?}");
    }
    for rest in ["\"", "b\"", "b\"\n", "b\" c"] {
        let text = format!("username,enabled\na,1\n\"{rest}");
        assert_eq!(rows_of(text.as_bytes(), None)[1].0, Shape::Whole, "{text:?}");
    }
}

#[test]
fn a_header_that_never_ends_is_refused() {
    assert_eq!(refused(b"\"username,enabled\na,1\n", None), Refusal::HeaderQuoteNeverCloses);
    let long = format!("username,{}\na,1\n", "x".repeat(MAX_RECORD_BYTES));
    assert!(matches!(
        survey(long.as_bytes(), Endpoint::Users, None),
        Err(ReadError::Refused(Refusal::HeaderTooLong))
    ));
}

/// Text before, `length` bytes of `pattern` over and over, text after; none of it in memory.
fn generated<'a>(before: &'a str, pattern: &'a [u8], length: u64, after: &'a str) -> impl Read + 'a {
    struct Pattern {
        block: Vec<u8>,
        at: usize,
    }
    impl Read for Pattern {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let mut rest = &self.block[self.at..];
            let length = rest.read(buffer)?;
            self.at = (self.at + length) % self.block.len();
            Ok(length)
        }
    }
    let block = pattern.repeat(30_000);
    before.as_bytes().chain(Pattern { block, at: 0 }.take(length)).chain(after.as_bytes())
}

const HUGE: u64 = 100 * 1024 * 1024 / 6 * 6;

#[test]
fn a_row_of_100_mb_costs_one_row_and_little_memory() {
    let survey = surveyed(b"username,enabled\n", None);
    let cases: [(&str, &[u8], &str, &[Shape]); 8] = [
        ("", b"x", "\n", &[Shape::TooLong]),
        ("", b"x", "", &[Shape::TooLong]),
        ("", b",", "\n", &[Shape::TooLong]),
        ("\"", b"\"\"x\n", "\"\n", &[Shape::TooLong]),
        ("\"", b"xyz,\r\n", "", &[Shape::QuoteNeverCloses]),
        ("", b" ", "\n", &[]),
        (" ", "\u{3000}".as_bytes(), "\n", &[]),
        (" ", "\u{3000}".as_bytes(), "x\n", &[Shape::TooLong]),
    ];
    for (before, pattern, after, expected) in cases {
        let before = format!("username,enabled\na,1\n{before}");
        let after_closed = if after.ends_with('\n') { format!("{after}b,2\n") } else { after.to_owned() };
        let mut records = Records::open(generated(&before, pattern, HUGE, &after_closed), &survey);
        let mut shapes = Vec::new();
        while let Some(record) = records.next_record().expect("memory can be read") {
            shapes.push(record.shape());
        }
        let mut all = vec![Shape::Whole];
        all.extend_from_slice(expected);
        if after.ends_with('\n') {
            all.push(Shape::Whole);
        }
        assert_eq!(shapes, all, "{pattern:?}");
        assert!(records.buffered() <= 2 * MAX_RECORD_BYTES, "{pattern:?}");
    }
}

#[test]
fn a_header_of_100_mb_is_refused_in_little_memory() {
    for (pattern, charset) in [(&b"x"[..], None), (b",", None), (b"x\xFF", None), (b"x\0", Some("utf-16"))] {
        let error = survey(generated("", pattern, HUGE, ""), Endpoint::Users, charset)
            .expect_err("there is no header");
        assert!(matches!(error, ReadError::Refused(Refusal::HeaderTooLong)), "{error}");
    }
    let survey = survey(generated("", b" ", HUGE, ""), Endpoint::Users, None).expect("it is blank");
    assert_eq!(survey.header, None);
}

#[test]
fn blank_lines_before_the_header_do_not_count_against_it() {
    let survey = survey(generated("", b" \t\n", HUGE / 10, "username\n"), Endpoint::Users, None)
        .expect("there is a header");
    assert!(survey.header.is_some());
    let rows = count_rows(generated("", b" \t\n", HUGE / 10, "username\na\n"), &survey);
    assert_eq!(rows.expect("memory can be read"), 1);
}

#[test]
fn a_record_may_be_1_mib_and_no_longer() {
    let survey = surveyed(b"username,enabled\n", None);
    for (length, shape) in [(MAX_RECORD_BYTES - 1, Shape::Whole), (MAX_RECORD_BYTES, Shape::TooLong)] {
        let cell = "x".repeat(length);
        for text in [format!("username,enabled\n{cell}"), format!("username,enabled\n\"{cell}\"\r\n")] {
            let rows = read_all(text.as_bytes(), &survey);
            assert_eq!(rows.len(), 1);
            assert_eq!(rows[0].0, shape, "{length}");
        }
    }
    let quotes = format!("username\n\"{}\"\n", "\"\"".repeat(MAX_RECORD_BYTES - 1));
    assert_eq!(read_all(quotes.as_bytes(), &survey)[0].1[0].len(), MAX_RECORD_BYTES - 1);
    // As a header it is the longest there is, and found whole.
    let header = format!("\"username{}\"\n", "\"\"".repeat(MAX_RECORD_BYTES - 9));
    assert!(surveyed(header.as_bytes(), None).header.is_some());
}

#[test]
fn a_million_columns() {
    let text = format!("username{}\na{}\nb,,x\n", ",".repeat(999_999), ",".repeat(999_999));
    let survey = survey(text.as_bytes(), Endpoint::Users, None).expect("the file is good");
    let mut records = Records::open(text.as_bytes(), &survey);
    let record = records.next_record().expect("memory can be read").expect("there is a row");
    assert_eq!((record.shape(), record.len()), (Shape::Whole, 1_000_000));
    assert!(!record.has_values_beyond(1));
    let record = records.next_record().expect("memory can be read").expect("there is a row");
    assert!(record.has_values_beyond(1) && record.has_values_beyond(2) && !record.has_values_beyond(3));
    assert!(records.next_record().expect("memory can be read").is_none());
}

#[test]
fn the_sources_samples_are_read() {
    let text = "username,password,emailaddress,formclass\njane,swordfish,jane@gmail.com,10A\n\
                john,password1,john@gmail.com,10B\n";
    let survey = surveyed(text.as_bytes(), None);
    let header = survey.header.expect("there is one");
    assert_eq!((header.columns.kind(), header.ignored.len()), (Kind::Users, 0));
    assert_eq!(rows_of(text.as_bytes(), None).len(), 2);
}

/// What the rules say, without a care for memory or speed: the oracle.
fn plainly(text: &str, delimiter: char) -> Rows {
    let mut rows = Rows::new();
    let mut characters = text.chars().peekable();
    while characters.peek().is_some() {
        let (mut cells, mut cell, mut line) = (Vec::new(), String::new(), String::new());
        let (mut quoted, mut fresh) = (false, true);
        while let Some(character) = characters.next() {
            if quoted {
                line.push(character);
                if character != '"' {
                    cell.push(character);
                } else if characters.next_if_eq(&'"').is_some() {
                    cell.push('"');
                } else {
                    quoted = false;
                }
                continue;
            }
            if matches!(character, '\n' | '\r') {
                break;
            }
            line.push(character);
            if character == delimiter {
                cells.push(std::mem::take(&mut cell));
                fresh = true;
            } else if character == '"' && fresh {
                (quoted, fresh) = (true, false);
            } else {
                cell.push(character);
                fresh = false;
            }
        }
        cells.push(cell);
        if quoted {
            rows.push((Shape::QuoteNeverCloses, vec![]));
        } else if !line.trim().is_empty() {
            rows.push((Shape::Whole, cells.iter().map(|cell| cell.trim().to_owned()).collect()));
        }
    }
    rows
}

#[test]
fn random_texts_are_read_as_the_rules_say() {
    let alphabet = [
        "a", "\"", "\"", ",", ",", ";", "\t", "\n", "\n", "\r", "\r\n", " ", "\u{A0}", "\0", "é", "\u{FEFF}",
    ];
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap_or_default() % below
    };
    for _ in 0..5_000 {
        let header = ["username", "username,a", "username;a;b", "username\ta"][random(4)];
        let mut text = format!("{header}\n");
        for _ in 0..random(30) {
            text += alphabet[random(alphabet.len())];
        }
        let survey = survey(text.as_bytes(), Endpoint::Users, None).expect("the header is good");
        let expected: Rows = plainly(&text, char::from(survey.delimiter.byte())).split_off(1);
        assert_eq!(read_all(text.as_bytes(), &survey), expected, "{text:?}");
        assert_eq!(read_all(one_byte(text.as_bytes()), &survey), expected, "{text:?}");
    }
}

#[test]
fn random_bytes_do_no_harm() {
    let mut state = 88_172_645_463_325_252_u64;
    let mut bytes = vec![0; 4096];
    for round in 0..300_usize {
        for byte in &mut bytes {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *byte = state.to_le_bytes()[5];
        }
        let text = [&b"username\n"[..if round % 2 == 0 { 9 } else { 0 }], &bytes].concat();
        let charset =
            [None, Some("utf-16"), Some("gb18030"), Some("iso-2022-jp"), Some("macintosh")][round % 5];
        let first = survey(&text[..], Endpoint::Users, charset);
        let again = survey(one_byte(&text), Endpoint::Users, charset);
        assert_eq!(first.as_ref().ok(), again.as_ref().ok());
        if let Ok(survey) = first {
            assert_eq!(read_all(&text[..], &survey), read_all(one_byte(&text), &survey));
        }
    }
}
