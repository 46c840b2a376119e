//! The survey together with the reader of records: every test reads a whole file.

mod encodings;
mod files;
mod header;
mod records;

use super::*;
use crate::read::count_rows;
use crate::read::record::Shape;
use crate::read::records::Records;

/// Returns one byte at a time, with interruptions between them.
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
    let refusal = |error: SurveyError| match error {
        SurveyError::Refused(refusal) => refusal,
        SurveyError::Io(error) => panic!("{error}"),
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
    let mut records = Records::open(source, survey.format);
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
    assert_eq!(count_rows(bytes, survey.format).expect("memory can be read"), rows.len() as u64);
    rows
}

fn whole(rows: &[&[&str]]) -> Rows {
    rows.iter().map(|row| (Shape::Whole, row.iter().map(|&cell| cell.to_owned()).collect())).collect()
}

fn utf_16(text: &str, to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(to_bytes).collect()
}

const TEXT: &str = "username,surname\njane,Łukasiewicz 😀\n";
