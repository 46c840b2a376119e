use rollcall_schema::imports::model::ImportKind;

use super::*;
use crate::read::record::MAX_RECORD_BYTES;

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
fn a_row_whose_cells_are_all_blank_is_skipped_whatever_the_delimiter() {
    let text = "username,enabled\n,\n\"\"\n\" \"\n\"\n\"\n , \u{200B},\u{FEFF}\n\"\",\"\"\n=\"\"\na,\n;;\n";
    assert_eq!(rows_of(text.as_bytes(), None), whole(&[&["a", ""], &[";;"]]));
    let text = "\t\t\n,,\n;\nusername\tenabled\n\t\n\t\t\t\n\"\"\t\n\ta\n";
    assert_eq!(rows_of(text.as_bytes(), None), whole(&[&["", "a"]]));
}

#[test]
fn what_ms_dos_leaves_at_the_end_is_no_row() {
    let rows = whole(&[&["a", "y"]]);
    for end in ["\x1A", "\r\n\x1A", "\r\n\x1A\r\n", "\n\0\0\0", "\0\0", "\n\x1A,\n\0\n,\n", "\n,\x1A\n\n"] {
        let text = format!("username,enabled\r\na,y{end}");
        assert_eq!(rows_of(text.as_bytes(), None), rows, "{end:?}");
    }
    let long = format!("username,enabled\na,y\n{}", "\0\n".repeat(50_000) + &"\0".repeat(200_000));
    let survey = surveyed(b"username,enabled\n", None);
    assert_eq!(read_all(long.as_bytes(), &survey), rows);
    assert_eq!(
        rows_of("username,a\nx,y\0\n ,\u{A0}, \0\0".as_bytes(), None),
        whole(&[&["x", "y"]]),
        "a blank of several bytes"
    );
    assert_eq!(rows_of(b"username,a,b\nx,\"y\nz\",q\0\r\n", None), whole(&[&["x", "y\nz", "q"]]));
    // A cell that another follows is not at the end.
    assert_eq!(rows_of(b"username,a,b\nx,\0,\n,\x1A\n", None), whole(&[&["x", "\0", ""]]));
    // In the middle it is data, as bad as it is.
    let text = "username,enabled\n\x1A\n\0\na,y\n";
    assert_eq!(rows_of(text.as_bytes(), None), whole(&[&["\x1A"], &["\0"], &["a", "y"]]));
}

#[test]
fn quotes_hold_delimiters_line_ends_and_quotes() {
    let text = "username,surname\n\"a,\"\"b\"\"\",\"c\r\nd\"\n5\" disk,e\n";
    assert_eq!(rows_of(text.as_bytes(), None), whole(&[&["a,\"b\"", "c\r\nd"], &["5\" disk", "e"]]));
}

#[test]
fn cells_are_trimmed_and_nul_is_data() {
    let text = "username,surname\n \u{A0}a\t,\" b \"\n\0,c\0\n\u{FEFF}d\u{200B},\u{202A}e\u{202C}\n";
    assert_eq!(rows_of(text.as_bytes(), None), whole(&[&["a", "b"], &["\0", "c\0"], &["d", "e"]]));
}

#[test]
fn a_blank_before_a_quote_belongs_to_the_quote() {
    let text = "username, surname, enabled\na, \"Foss, Jr\" ,y\n\u{FEFF} \"b\",\u{A0}\"x\"\"y\", \"n\"\n";
    assert_eq!(rows_of(text.as_bytes(), None), whole(&[&["a", "Foss, Jr", "y"], &["b", "x\"y", "n"]]));
    let text = "username\tsurname\na\t \"b\tc\"\n";
    assert_eq!(rows_of(text.as_bytes(), None), whole(&[&["a", "b\tc"]]));
}

#[test]
fn a_formula_that_is_a_text_is_the_text() {
    for (cell, value) in [
        ("=\"00042\"", "00042"),
        ("\"=\"\"00042\"\"\"", "00042"),
        (" =\"a,b\" ", "a,b"),
        ("=\"say \"\"x\"\"\"", "say \"x\""),
        ("\"=\"\"\"\"\"", ""),
        // Not just a text: as it stands.
        ("=\"a\"&\"b\"", "=\"a\"&\"b\""),
        ("=\"a", "=\"a"),
        ("=1+1", "=1+1"),
        ("\"=1+1\"", "=1+1"),
    ] {
        let text = format!("username,barcode\nx,{cell}\n");
        assert_eq!(rows_of(text.as_bytes(), None), whole(&[&["x", value]]), "{cell}");
    }
}

/// The shapes and the first cells of rows below the header `username,surname,enabled`.
fn shapes(rows: &str) -> Vec<(Shape, String)> {
    let text = format!("username,surname,enabled\n{rows}");
    let first = |(shape, cells): (Shape, Vec<String>)| (shape, cells.first().cloned().unwrap_or_default());
    rows_of(text.as_bytes(), None).into_iter().map(first).collect()
}

#[test]
fn a_quote_that_does_not_close_costs_its_line() {
    let bad = || (Shape::QuoteNotClosed, String::new());
    let good = |name: &str| (Shape::Whole, name.to_owned());
    for (rows, expected) in [
        // Never closed.
        ("a,\"Tex,y\nb,Una,y\nc,Vi,y\n", vec![bad(), good("b"), good("c")]),
        ("a,\"", vec![bad()]),
        ("a,\"x\"\"", vec![bad()]),
        ("a,\"x\"\"\nb,y,y", vec![bad(), good("b")]),
        ("\"a,x,y\r\nb,y,y\r\n\r\n", vec![bad(), good("b")]),
        // A stray pair with whole rows between.
        ("a,\"Ek,y\nb,Ali,y\nc,Roe\",y\nd,Hall,y\n", vec![bad(), good("b"), good("c"), good("d")]),
        // A stray pair over two lines.
        ("a,\"Ek,y\nc,Roe\",y\nd,Hall,y\n", vec![bad(), good("c"), good("d")]),
        // A stray quote and the next good one.
        ("a,\"Ek,y\nc,\"Roe\",y\nd,Hall,y\n", vec![bad(), good("c"), good("d")]),
        ("\"a\",\"Ek,\"y\"\n\"c\",\"Roe\",\"y\"\n", vec![good("a"), good("c")]),
        ("a,Ek,\"\nc,\"\",y\nd,\"\",y\n", vec![bad(), good("c"), good("d")]),
        // It opens before the last cell and closes in it.
        ("a,\"Ek,y\nc,Roe,y\"\nd,y,y\n", vec![bad(), good("c"), good("d")]),
        ("\"1\n2\",b,\"c\nd,e\",f\n", vec![bad(), bad(), good("d")]),
        // A row that begins with the quote by which the stray one closes.
        ("a,b,\"c\ng,\"\n1\",y\nd,y,y\n", vec![bad(), good("g"), good("d")]),
        // The stray pair is in a later cell.
        (
            "\"a\nb\",\"Ek,y\nc,Roe\",y\nd,y,y\n",
            vec![bad(), (Shape::QuoteNotClosed, String::new()), good("c"), good("d")],
        ),
        // A quote of one line that closes.
        ("a,\"x\"y\nb,x\"y\",y\n", vec![good("a"), good("b")]),
    ] {
        assert_eq!(shapes(rows), expected, "{rows:?}");
    }
}

#[test]
fn a_cell_may_hold_line_breaks() {
    let good = |name: &str| (Shape::Whole, name.to_owned());
    for rows in [
        "a,\"12 Main St\nSpringfield\",y\n",
        "a,\"12 Main St\n\nApt 4, left\nSpringfield\",y\n",
        "a,\"x\ny\" ,\"z\nz\"\n",
        "a,y,\"one\r\ntwo\"\r\n",
        "a,\"b\nb\",\"d\ne\"\n",
        "a,\"Flat 2, Oslo\nLondon, W1\",y\n",
        "\"a\",\"Flat 2,Oslo\nLondon,W1\",\"y\"\n",
        "a,y,\"12 High St\r\nOslo, Norway, EU\"\n",
        "a,\"Flat, 2, Oslo\nLondon\",y\n",
    ] {
        assert_eq!(shapes(rows), [good("a")], "{rows:?}");
    }
    let text = "username,surname,enabled\n\"a\nb\",c,\"d\ne\"\n";
    assert_eq!(rows_of(text.as_bytes(), None), whole(&[&["a\nb", "c", "d\ne"]]));
    // In the last of few columns a line of an address has the cells of a row.
    let text = "username,address\na,\"12 Main St\nSpringfield, IL\"\nb,x\n";
    assert_eq!(rows_of(text.as_bytes(), None), whole(&[&["a", "12 Main St\nSpringfield, IL"], &["b", "x"]]));
    // At the start of the line its last line always has.
    let text = "address,username,enabled\n\"12 Main St\nSpringfield\",a,y\n";
    assert_eq!(rows_of(text.as_bytes(), None), whole(&[&["12 Main St\nSpringfield", "a", "y"]]));
}

#[test]
fn a_file_of_stray_quotes_is_read_in_time() {
    let survey = surveyed(b"username,a,b,c,d,e\n", None);
    let begun = std::time::Instant::now();
    for lines in [
        // Each line closes the quote of the line before and opens one.
        "x\",y,\"z\n".repeat(400_000),
        // One cell of many lines, of each of which a record might begin that has no end.
        format!("x,\"{}\",y\n", "\n".repeat(300_000)) + "a,\"b\n" + &"c,d\n".repeat(300_000),
        format!("x,\"{}", "\n=\"\",a\n\"\"".repeat(100_000)),
        "x,\"\n\",\"\n\",y\n".repeat(200_000),
    ] {
        let text = format!("username,a,b,c,d,e\n{lines}");
        let rows = count_rows(text.as_bytes(), survey.format).expect("memory can be read");
        assert!(rows > 50_000, "{rows}");
    }
    assert!(begun.elapsed() < std::time::Duration::from_mins(1), "{:?}", begun.elapsed());
}

#[test]
fn a_header_that_never_ends_is_refused() {
    for text in [
        &b"\"username,enabled\na,1\n"[..],
        b"username,\"given name,enabled\na,b\",y\nc,d,e\n",
        b"username,\"enabled\n\"a\",y\n",
    ] {
        assert_eq!(refused(text, None), Refusal::File(FileRefusal::HeaderQuoteNotClosed), "{text:?}");
    }
    assert_eq!(
        rows_of(b"username,\"Given name\n(first)\",enabled\na,b,y\n", None),
        whole(&[&["a", "b", "y"]])
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
    let cases: [(&str, &[u8], &str, &[Shape]); 9] = [
        ("", b"x", "\n", &[Shape::TooLong]),
        ("", b"x", "", &[Shape::TooLong]),
        ("\"", b"x", "\"\n", &[Shape::TooLong]),
        ("", b",", "\n", &[]),
        ("", b"x,", "\n", &[Shape::TooLong]),
        ("", b"\0", "", &[]),
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
        assert!(records.buffered() <= 16 * MAX_RECORD_BYTES, "{pattern:?}");
    }
}

#[test]
fn a_header_of_100_mb_is_refused_in_little_memory() {
    for (pattern, charset) in [(&b"x"[..], None), (b"x,", None), (b"x\xFF", None), (b"x\0", Some("utf-16"))] {
        let error = survey(generated("", pattern, HUGE, ""), Endpoint::Users, charset)
            .expect_err("there is no header");
        assert!(matches!(error, SurveyError::Refused(Refusal::File(FileRefusal::HeaderTooLong))), "{error}");
    }
    for blank in [&b" "[..], b", ;"] {
        let survey = survey(generated("", blank, HUGE, ""), Endpoint::Users, None).expect("it is blank");
        assert_eq!(survey.header, None);
    }
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

#[test]
fn the_sizes_of_reads_make_no_difference() {
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
        assert_eq!(
            read_all(text.as_bytes(), &survey),
            read_all(one_byte(text.as_bytes()), &survey),
            "{text:?}"
        );
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
