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
    let survey = surveyed(&utf_16(TEXT, u16::to_le_bytes), Some("utf-16"));
    let error = count_rows(&b"u\0\n\0\x00\xDCx\0"[..], survey.format).expect_err("it is no UTF-16");
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
}

#[test]
fn a_file_of_nuls_is_damaged_and_ctrl_z_ends_an_empty_one() {
    for bytes in [&b"\0"[..], &[0; 1000], b"\0\0\n\0"] {
        assert_eq!(refused(bytes, None), Refusal::File(FileRefusal::OnlyNuls));
    }
    assert_eq!(rows_of(b"\x1A", None), Rows::new());
    assert_eq!(rows_of(b"username\n\x1A\0\0\0", None), Rows::new());
}

#[test]
fn lines_of_tools_before_the_header_are_skipped() {
    let rows = whole(&[&["f.haug", "y"]]);
    for text in [
        "sep=;\r\nusername;enabled\r\nf.haug;y\r\n",
        "\n\"sep=;\"\n\nusername;enabled\nf.haug;y\n",
        "#TYPE System.Management.Automation.PSCustomObject\r\n\"username\",\"enabled\"\r\n\"f.haug\",\"y\"\r\n",
        "\u{FEFF}#TYPE x\nsep=\t\nusername\tenabled\nf.haug\ty",
        "sep=\nusername;enabled\nf.haug;y\n",
    ] {
        assert_eq!(rows_of(text.as_bytes(), None), rows, "{text:?}");
    }
    assert_eq!(rows_of(b"sep=;", None), Rows::new());
    assert!(refused(b"sep=|\nusername|enabled\n", None).to_string().contains("commas, semicolons or tabs"));
    // The line decides, whatever the header holds.
    let survey = surveyed(b"sep=;\nusername;a,b,c,d\nx;y\n", None);
    assert_eq!(survey.header.expect("there is one").columns.width(), 2);
}

#[test]
fn one_line_that_holds_rows_has_lost_its_line_breaks() {
    for text in [
        "username,enabled,staffmember p.lund,y,y s.moe,y,n",
        "username,enabled,staffmember,p.lund,y,y,s.moe,y,n\n",
        "username,enabled,staffmemberp.lund,y,ys.moe,y,n",
        "username,enabled,staffmember p.lund,y,y",
        "username,enabled,staffmember\u{85}p.lund,y,y\u{85}",
        "username,enabled,staffmember\u{2028}p.lund,y,y",
        "username,enabled,staffmember\x1Ep.lund,y,y\x1E",
        "username,enabled,staffmember\\np.lund,y,y\\n",
        "username,enabled,staffmember\\r\\np.lund,y,y",
        "username,enabled,staffmember<br>p.lund,y,y<br>",
        "username,house<br/>jane,red",
        "username;email a;a@b.example c;c@d.example",
        "username,formclass jane,10A bob,10B",
        "username,library-group,system-group j.doe,Year 7,Staff a.b,Year 8,Staff",
        "username jane bob",
        "username,enabled,staffmember p.lund,y,y\n\n,,\n",
        "#TYPE System.Object \"username\",\"enabled\" \"p.lund\",\"y\" \"s.moe\",\"y\"",
        "#TYPE X\u{85}username,enabled\u{85}p.lund,y\u{85}\r\n",
        "sep=, username,enabled,staffmember p.lund,y,y s.moe,y,n",
        "sep=,\\nusername,enabled,staffmember\\np.lund,y,y",
    ] {
        let refusal = refused(text.as_bytes(), None);
        assert_eq!(refusal, Refusal::Header(HeaderRefusal::LineBreaksLost), "{text}");
    }
    // U+0085 in a file of one byte per character.
    let refusal = refused(b"username,enabled\x85p.lund,y\x85", None);
    assert_eq!(refusal, Refusal::Header(HeaderRefusal::LineBreaksLost));
}

#[test]
fn a_header_alone_has_lost_nothing() {
    for text in [
        "username",
        "username,enabled,staffmember",
        "username,enabled,staffmember\u{85}",
        "username,House,Locker No 2,Tutor\n",
        "username,email,email 2,house\n",
        "username,surname,phone,fax,note",
        "username,Personal e-mail,Gender identity",
        "username,enabled,staffmember,home\\number",
        "username,enabled,staffmember,Domain\\name\r\n",
        "username,enabled,\"Notes<br>more\"",
        "username,enabled,staffmember,Parent<br>phone,Parent<br>mail",
        "username,enabled,a\u{2028}b",
        "#TYPE System.Object\r\n",
    ] {
        assert!(survey(text.as_bytes(), Endpoint::Users, None).is_ok(), "{text}");
        assert_eq!(rows_of(text.as_bytes(), None), Rows::new(), "{text}");
    }
    // Their own sample: the header runs on into a row, and another row follows.
    let text = "username,givenname,enabled,staffmemberid,jdoe1,Jane,Y,N\nmhenry1,Mark,Y,N,style2\n";
    assert_eq!(rows_of(text.as_bytes(), None).len(), 1);
}
