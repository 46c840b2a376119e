use rollcall_schema::imports::model::ImportKind;

use super::*;
use crate::read::records::MAX_RECORD_BYTES;

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
    assert_eq!(
        refused(b"\"username,enabled\na,1\n", None),
        Refusal::File(FileRefusal::HeaderQuoteNeverCloses)
    );
    let long = format!("username,{}\na,1\n", "x".repeat(MAX_RECORD_BYTES));
    assert!(matches!(
        survey(long.as_bytes(), Endpoint::Users, None),
        Err(SurveyError::Refused(Refusal::File(FileRefusal::HeaderTooLong)))
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
        let mut records = Records::open(generated(&before, pattern, HUGE, &after_closed), survey.format);
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
        assert!(matches!(error, SurveyError::Refused(Refusal::File(FileRefusal::HeaderTooLong))), "{error}");
    }
    let survey = survey(generated("", b" ", HUGE, ""), Endpoint::Users, None).expect("it is blank");
    assert_eq!(survey.header, None);
}

#[test]
fn blank_lines_before_the_header_do_not_count_against_it() {
    let survey = survey(generated("", b" \t\n", HUGE / 10, "username\n"), Endpoint::Users, None)
        .expect("there is a header");
    assert!(survey.header.is_some());
    let rows = count_rows(generated("", b" \t\n", HUGE / 10, "username\na\n"), survey.format);
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
    let mut records = Records::open(text.as_bytes(), survey.format);
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
    assert_eq!((header.kind, header.ignored.len()), (ImportKind::Users, 0));
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
        let expected: Rows = plainly(&text, char::from(survey.format.delimiter.byte())).split_off(1);
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
