//! What is not a CSV, what has no rows, and what cannot be read.

use super::*;

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
        assert!(matches!(error, SurveyError::Io(_)), "{error}");
    }
    let survey = surveyed(b"username\na\nb\n", None);
    assert!(count_rows(Broken(b"username\na\nb\n"), survey.format).is_err());
}

#[test]
fn a_file_that_changed_since_the_survey_is_an_error_of_reading() {
    let survey = surveyed(TEXT.as_bytes(), None);
    let error = count_rows(&b"username\nM\xFCller\n"[..], survey.format).expect_err("it is no UTF-8");
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
}
