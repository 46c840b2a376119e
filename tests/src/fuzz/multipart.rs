//! The parser of multipart forms: how a body is divided into frames makes no difference, and a file that is put into a form
//! comes out as it was.

use rollcall_api::imports::upload::multipart::{Event, FormError, MultipartParser, PartHeaders};

use super::input::Input;

const BOUNDARY: &[u8] = b"XX";
const OTHER_BOUNDARY: &[u8] = b"YY";

/// A part, its data, and whether its end was seen.
type Part = (PartHeaders, Vec<u8>, bool);

pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let line_end = if input.yes() { "\n" } else { "\r\n" };
    let frames = input.bytes(4);
    let body = input.rest();

    let whole = parse(&[body]);
    assert_eq!(parse(&framed(body, frames)), whole, "in frames of {frames:?}");
    if let Some(empty_between) = body.len().checked_div(2) {
        let (first, second) = body.split_at(empty_between);
        assert_eq!(parse(&[first, &[], second]), whole, "with an empty frame at {empty_between}");
    }
    round_trip(body, line_end);
}

/// The body in frames of these lengths, over and over.
fn framed<'a>(body: &'a [u8], lengths: &[u8]) -> Vec<&'a [u8]> {
    let mut rest = body;
    let mut frames = Vec::new();
    for length in lengths.iter().chain(&[0]).cycle() {
        if rest.is_empty() {
            return frames;
        }
        // Mostly a few bytes: that is where delimiters are split.
        let length =
            if *length < 0xF0 { 1 + usize::from(length % 16) } else { 64 * usize::from(length - 0xEF) };
        let (frame, after) = rest.split_at(length.min(rest.len()));
        frames.push(frame);
        rest = after;
    }
    frames
}

/// The parts up to where the form ends or an error shows.
fn parse(frames: &[&[u8]]) -> (Vec<Part>, Result<(), FormError>) {
    let mut parser = MultipartParser::new(BOUNDARY, &[OTHER_BOUNDARY]);
    let mut frames = frames.iter();
    let mut parts: Vec<Part> = Vec::new();
    loop {
        match parser.next_event() {
            Ok(Some(Event::Part(headers))) => parts.push((headers, Vec::new(), false)),
            Ok(Some(Event::Data(data))) => {
                assert!(!data.is_empty(), "an event of data has data");
                let (_, before, ended) = parts.last_mut().expect("data belong to a part");
                assert!(!*ended, "data belong to an open part");
                before.extend_from_slice(&data);
            }
            Ok(Some(Event::PartEnd)) => parts.last_mut().expect("a part ends that began").2 = true,
            Ok(Some(Event::End)) => {
                assert!(parts.iter().all(|(_, _, ended)| *ended), "every part of a form has an end");
                return (parts, Ok(()));
            }
            Ok(None) => match frames.next() {
                Some(frame) => parser.push(frame),
                None => parser.finish(),
            },
            Err(error) => return (parts, Err(error)),
        }
    }
}

/// A file as it would be sent comes out as it was, unless it holds a delimiter line.
fn round_trip(file: &[u8], line_end: &str) {
    let delimiter = [b"--", BOUNDARY].concat();
    if file.split(|byte| *byte == b'\n').any(|line| line.starts_with(&delimiter)) {
        return;
    }
    let head = format!(
        "--XX{line_end}Content-Disposition: form-data; name=\"file\"; filename=\"users.csv\"{line_end}{line_end}"
    );
    let form = [head.as_bytes(), file, line_end.as_bytes(), &delimiter, b"--", line_end.as_bytes()].concat();
    let (parts, result) = parse(&[&form]);
    assert_eq!(result, Ok(()));
    let [(headers, data, true)] = &parts[..] else { panic!("one part, not {parts:?}") };
    assert_eq!(headers.file_name(), Some(&b"users.csv"[..]));
    assert!(headers.are_ended());
    assert_eq!(data, file);
}
