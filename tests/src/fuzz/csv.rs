//! The survey and the reader of records: blocks and neighbours make no difference, a bad row costs no other row, and what a
//! spreadsheet writes is read.

use std::io::{self, Read};

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use rollcall_schema::imports::model::Endpoint;
use rollcall_schema::names::trim;
use rollcall_worker::read::batch::RecordBatch;
use rollcall_worker::read::count_rows;
use rollcall_worker::read::format::Format;
use rollcall_worker::read::record::{Record, Shape};
use rollcall_worker::read::records::Records;
use rollcall_worker::rows::null_word::NullWords;
use rollcall_worker::survey::{Refusal, Survey, SurveyError, survey};

use super::input::Input;

/// How much the reader asks of its source at a time.
const BLOCK_BYTES: usize = 64 * 1024;
/// Longer than any sentence that a file can cause.
const MAX_SENTENCE_CHARS: usize = 5_000;

const CHARSETS: [Option<&str>; 12] = [
    None,
    None,
    None,
    None,
    Some("utf-8"),
    Some("windows-1252"),
    Some("utf-16le"),
    Some("utf-16be"),
    Some("shift_jis"),
    Some("gb18030"),
    Some("iso-2022-jp"),
    Some("binary"),
];

pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let endpoint = if input.yes() { Endpoint::Users } else { Endpoint::UserGroups };
    let charset = input.one_of(&CHARSETS);
    let (reads, filler) = (input.byte(), input.number());
    let file = input.rest();

    let surveyed = survey_of(file, endpoint, charset);
    let pieces = Pieces { rest: file, length: usize::from(reads), interrupt: false };
    assert_eq!(surveyed, refused(survey(pieces, endpoint, charset)), "read in pieces of {reads}");
    if let Ok(survey) = &surveyed {
        let rows = rows(file, survey);
        let pieces = Pieces { rest: file, length: usize::from(reads), interrupt: false };
        assert_eq!(self::rows(pieces, survey), rows, "read in pieces of {reads}");
        assert_eq!(count_rows(file, survey.format).expect("memory can be read"), rows.len() as u64);
        look_at_sentences(file, survey);
        append_row(file, survey, (endpoint, charset), &rows);
        if reads & 1 == 1 {
            insert_filler(file, survey, (endpoint, charset), filler, &rows);
        }
    }
    if let Ok(text) = std::str::from_utf8(file) {
        round_trip(text, reads);
    }
}

/// A row as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    shape: Shape,
    cells: Vec<String>,
}

fn survey_of(file: impl Read, endpoint: Endpoint, charset: Option<&str>) -> Result<Survey, Refusal> {
    refused(survey(file, endpoint, charset))
}

/// Memory can be read, so that a survey fails only for the file's fault.
fn refused(result: Result<Survey, SurveyError>) -> Result<Survey, Refusal> {
    let result = result.map_err(|error| match error {
        SurveyError::Refused(refusal) => refusal,
        SurveyError::Io(error) => panic!("memory can be read: {error}"),
    });
    if let Err(refusal) = &result {
        assert_sentence(&refusal.to_string());
    }
    result
}

fn rows(file: impl Read, survey: &Survey) -> Vec<Row> {
    let mut rows = Vec::new();
    if survey.header.is_none() {
        return rows;
    }
    let mut records = Records::open(file, survey.format);
    let mut copies = RecordBatch::default();
    // A file that was surveyed can be read to its end.
    while let Some(record) = records.next_record().expect("the survey has read the whole file") {
        let row = row(&record);
        assert_eq!(record.number().0, rows.len() as u64 + 1);
        assert_eq!(record.shape() == Shape::Whole, record.len() > 0, "a whole record has cells");
        copies.push(&record);
        rows.push(row);
    }
    assert!(
        copies.iter().map(|record| self::row(&record)).eq(rows.iter().cloned()),
        "copies are as their originals"
    );
    rows
}

fn row(record: &Record<'_>) -> Row {
    let cells: Vec<String> = record.cells().map(str::to_owned).collect();
    assert_eq!(cells.len(), record.len(), "every cell is found");
    assert!(cells.iter().all(|cell| trim(cell) == cell), "cells are trimmed");
    Row { shape: record.shape(), cells }
}

/// What the file makes the service say.
fn look_at_sentences(file: &[u8], survey: &Survey) {
    let Some(header) = &survey.header else { return };
    let format = survey.file_format();
    format.warnings.iter().for_each(|warning| assert_sentence(warning));
    format.ignored_columns.iter().for_each(|column| assert_sentence(column));
    let mut null_words = NullWords::default();
    let mut records = Records::open(file, survey.format);
    while let Some(record) = records.next_record().expect("the survey has read the whole file") {
        null_words.look_at(&record, &header.columns).iter().for_each(|warning| assert_sentence(warning));
    }
}

/// Postgres and a header can hold it, and no file makes it long.
fn assert_sentence(text: &str) {
    assert!(!text.chars().any(char::is_control), "no control characters: {text:?}");
    assert!(text.chars().count() <= MAX_SENTENCE_CHARS, "not long: {text:?}");
}

/// A row that nothing can be wrong with: `width` cells, of at least `length` bytes with the line end.
fn good_row(width: usize, delimiter: char, length: usize) -> String {
    let mut row = vec!["m"; width].join(&delimiter.to_string());
    row.push_str(&"m".repeat(length.saturating_sub(row.len() + 1)));
    row.push('\n');
    row
}

fn cells_of(row: &str, delimiter: char) -> Row {
    Row { shape: Shape::Whole, cells: row.trim_end().split(delimiter).map(str::to_owned).collect() }
}

/// `text` in an encoding in which it can stand anywhere.
fn encoded(text: &str, encoding: &'static Encoding) -> Option<Vec<u8>> {
    if encoding == UTF_8 || encoding == WINDOWS_1252 {
        Some(text.into())
    } else if encoding == UTF_16LE {
        Some(text.encode_utf16().flat_map(u16::to_le_bytes).collect())
    } else if encoding == UTF_16BE {
        Some(text.encode_utf16().flat_map(u16::to_be_bytes).collect())
    } else {
        None
    }
}

/// Whatever stands in a file, a good row at its end is read as such, and changes no row before it.
fn append_row(file: &[u8], survey: &Survey, (endpoint, charset): (Endpoint, Option<&str>), rows: &[Row]) {
    let Some(header) = &survey.header else { return };
    let width = header.columns.width();
    let delimiter = char::from(survey.format.delimiter.byte());
    let row = good_row(width, delimiter, 0);
    let Some(mut more) = encoded(&format!("\n{row}"), survey.format.encoding) else { return };
    if width < 2 || has_padding(file) {
        return;
    }
    if file.ends_with(b"\r") && survey.format.encoding == UTF_8 {
        // It would become a part of that line end.
        more.remove(0);
    }
    let longer = [file, &more].concat();
    let Ok(longer_survey) = survey_of(&longer[..], endpoint, charset) else {
        panic!("a good row more makes no file unreadable");
    };
    if longer_survey.format != survey.format {
        // The survey had to guess, and now has more to guess by.
        return;
    }
    let longer_rows = self::rows(&longer[..], &longer_survey);
    let (last, before) = longer_rows.split_last().expect("a row was added");
    assert_eq!(*last, cells_of(&row, delimiter), "the row is read");
    assert_eq!(before, rows, "the rows before it are as they were");
}

/// DOS's padding means nothing at the end of a file, and something elsewhere.
fn has_padding(file: &[u8]) -> bool {
    file.iter().any(|byte| matches!(byte, 0 | 0x1A))
}

/// However many rows stand before them, rows are read as they were: also where a block ends within them.
fn insert_filler(
    file: &[u8],
    survey: &Survey,
    (endpoint, charset): (Endpoint, Option<&str>),
    place: usize,
    rows: &[Row],
) {
    let Some(header) = &survey.header else { return };
    let Format { encoding, delimiter, preamble_lines } = survey.format;
    let delimiter = char::from(delimiter.byte());
    let Some(line) = file.iter().position(|byte| *byte == b'\n') else { return };
    let (first, rest) = file.split_at(line + 1);
    let is_plain =
        first.iter().all(|byte| byte.is_ascii_graphic() || b" \t\n".contains(byte)) && !first.contains(&b'"');
    // Not a blank line of delimiters.
    let is_header = preamble_lines == 0 && first.iter().any(u8::is_ascii_alphanumeric);
    if !is_plain || !is_header || !(encoding == UTF_8 || encoding == WINDOWS_1252) {
        return;
    }
    // A block ends this far within the rest.
    let within = place % (rest.len() + 1);
    let length = BLOCK_BYTES * (1 + place / 7 % 3) - first.len() % BLOCK_BYTES - within % BLOCK_BYTES;
    let row = good_row(header.columns.width(), delimiter, 1000);
    let mut filler = row.repeat(length / row.len() - 1);
    filler.push_str(&good_row(header.columns.width(), delimiter, length - filler.len()));
    assert_eq!(filler.len(), length);

    let longer = [first, filler.as_bytes(), rest].concat();
    let Ok(longer_survey) = survey_of(&longer[..], endpoint, charset) else {
        panic!("good rows more make no file unreadable");
    };
    assert_eq!(longer_survey, *survey);
    let longer_rows = self::rows(&longer[..], &longer_survey);
    let (inserted, as_before) =
        longer_rows.split_at_checked(filler.lines().count()).expect("the rows are read");
    assert!(inserted.iter().eq(&filler.lines().map(|line| cells_of(line, delimiter)).collect::<Vec<_>>()));
    assert_eq!(as_before, rows, "the rows after them are as they were");
}

/// What a spreadsheet writes is read: rows of `text` at its line ends, cells at its bars, in quotes where they are needed or
/// everywhere.
fn round_trip(text: &str, style: u8) {
    const WIDTH: usize = 4;
    let delimiter = [',', ';', '\t'][usize::from(style / 4 % 3)];
    let line_end = ["\r\n", "\n", "\r"][usize::from(style / 16 % 3)];
    let all_quoted = style & 2 != 0;
    let mut file = ["username", "a", "b", "c"].join(&delimiter.to_string()) + line_end;
    let mut expected = Vec::new();
    for line in text.split(['\r', '\n']) {
        let mut cells: Vec<&str> = line.splitn(WIDTH, '|').collect();
        cells.resize(WIDTH, "");
        // A formula that holds a text stands for the text.
        if cells.iter().any(|cell| trim(cell).starts_with("=\""))
            || cells.iter().all(|cell| trim(cell).is_empty())
        {
            continue;
        }
        let written: Vec<String> = cells
            .iter()
            .map(|cell| {
                let needs_quotes = cell.contains([delimiter, '"']);
                if all_quoted || needs_quotes {
                    format!("\"{}\"", cell.replace('"', "\"\""))
                } else {
                    (*cell).to_owned()
                }
            })
            .collect();
        file += &(written.join(&delimiter.to_string()) + line_end);
        let cells = cells.iter().map(|cell| trim(cell).to_owned()).collect();
        expected.push(Row { shape: Shape::Whole, cells });
    }
    let last = good_row(WIDTH, delimiter, 0);
    file += &last;
    expected.push(cells_of(&last, delimiter));
    let survey = survey_of(file.as_bytes(), Endpoint::Users, Some("utf-8"));
    let survey = survey.unwrap_or_else(|refusal| panic!("what a spreadsheet writes is taken: {refusal}"));
    assert_eq!(rows(file.as_bytes(), &survey), expected, "{file:?}");
}

/// A source that returns a few bytes at a time, and is interrupted before each.
struct Pieces<'a> {
    rest: &'a [u8],
    length: usize,
    interrupt: bool,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.interrupt = !self.interrupt;
        if self.interrupt {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let length = buffer.len().min(self.rest.len()).min(self.length.max(1));
        let (piece, rest) = self.rest.split_at(length);
        buffer[..length].copy_from_slice(piece);
        self.rest = rest;
        Ok(length)
    }
}
