//! Forms as clients write them, in frames of every size.

use super::*;

/// What a form holds: of each part its file name and its data.
type Parts = Vec<(Option<Vec<u8>>, Vec<u8>)>;

fn parse_with(mut parser: MultipartParser, frames: &[&[u8]]) -> Result<Parts, FormError> {
    let mut parts: Parts = Vec::new();
    let mut frames = frames.iter();
    loop {
        match parser.next_event()? {
            Some(Event::Part(headers)) => parts.push((headers.file_name().map(<[u8]>::to_vec), Vec::new())),
            Some(Event::Data(data)) => {
                assert!(!data.is_empty());
                parts.last_mut().expect("data follow a part").1.extend_from_slice(&data);
            }
            Some(Event::PartEnd) => {}
            Some(Event::End) => return Ok(parts),
            None => match frames.next() {
                Some(frame) => {
                    parser.push(frame);
                    assert!(parser.buffer.len() <= frame.len() + MAX_HEADER_BYTES, "what is held is bounded");
                }
                None => parser.finish(),
            },
        }
    }
}

fn parse(form: &[u8], frame: usize) -> Result<Parts, FormError> {
    parse_with(MultipartParser::new(b"XX", &[]), &form.chunks(frame).collect::<Vec<_>>())
}

/// Parses a form in frames of every size, and split in two at every place. All must give the same.
#[track_caller]
fn parse_every_way(form: &[u8]) -> Result<Parts, FormError> {
    let whole = parse(form, form.len().max(1));
    for frame in 1..form.len().max(1) {
        assert_eq!(parse(form, frame), whole, "frames of {frame}: {:?}", String::from_utf8_lossy(form));
    }
    for at in 0..form.len() {
        let (first, second) = form.split_at(at);
        let split = parse_with(MultipartParser::new(b"XX", &[]), &[first, second]);
        assert_eq!(split, whole, "split at {at}: {:?}", String::from_utf8_lossy(form));
    }
    whole
}

fn file(data: &[u8]) -> (Option<Vec<u8>>, Vec<u8>) {
    (Some(b"f".to_vec()), data.to_vec())
}

fn form(line_end: &str, data: &[u8]) -> Vec<u8> {
    let head = format!("--XX{line_end}Content-Disposition: form-data; filename=f{line_end}{line_end}");
    [head.as_bytes(), data, line_end.as_bytes(), b"--XX--", line_end.as_bytes()].concat()
}

#[test]
fn the_line_end_before_a_delimiter_is_not_part_of_the_file() {
    for line_end in ["\r\n", "\n"] {
        for data in [
            &b"username\njane"[..],
            b"username\r\njane\r\n",
            b"username\njane\n",
            b"\r\n",
            b"\n",
            b"\n\n\r\n\r\n",
            b"x",
            b"",
            b"\r\r\n\n",
        ] {
            let form = form(line_end, data);
            assert_eq!(parse_every_way(&form), Ok(vec![file(data)]), "{:?}", String::from_utf8_lossy(&form));
        }
    }
    // The CR belongs to the file only where the form's own lines end with LF.
    assert_eq!(parse_every_way(&form("\n", b"jane\r")), Ok(vec![file(b"jane\r")]));
    assert_eq!(parse_every_way(&form("\r\n", b"jane\r")), Ok(vec![file(b"jane\r")]));
}

#[test]
fn what_resembles_a_delimiter_stays_in_the_file() {
    for data in [
        &b"a\r\n--X\r\nb"[..],
        b"a\r\n--XXY\r\nb",
        b"a\r\n--XX-\r\nb",
        b"a\r\n--XX--Y\r\nb",
        b"a\r\n--XX,b\r\n",
        b"a\r\n --XX\r\nb",
        b"a\r\n-\r\n--\r\n--X",
        b"a--XX\r\nb--XX--\r\n",
        b"\r\n\r\n--\r\n--X\r\n",
        b"a\n--XX\nb",
        b"a\n--XX--\nb",
        b"--XXY\r\n",
    ] {
        let form = form("\r\n", data);
        assert_eq!(parse_every_way(&form), Ok(vec![file(data)]), "{:?}", String::from_utf8_lossy(&form));
    }
    for data in [&b"a\n--X\nb"[..], b"a\n--XXY\n", b"a\r\n--XX--Y\r\n", b"a--XX\n"] {
        let form = form("\n", data);
        assert_eq!(parse_every_way(&form), Ok(vec![file(data)]), "{:?}", String::from_utf8_lossy(&form));
    }
}

#[test]
fn random_files_arrive_as_they_are() {
    // The bytes that delimiter lines are made of, so that prefixes of them are frequent.
    let alphabet = b"\r\n-Xa";
    let mut random = 0x2545_F491_4F6C_DD1D_u64;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % below as u64).expect("below is a usize")
    };
    for _ in 0..3000 {
        let data: Vec<u8> = (0..next(40)).map(|_| alphabet[next(alphabet.len())]).collect();
        let line_end = ["\r\n", "\n"][next(2)];
        let has_delimiter = [&data[..], b"\r\n"].concat().split(|&byte| byte == b'\n').any(|line| {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            line == b"--XX" || line == b"--XX--"
        });
        if has_delimiter {
            continue;
        }
        let form = form(line_end, &data);
        let mut frames = Vec::new();
        let mut rest = &form[..];
        while !rest.is_empty() {
            let (frame, after) = rest.split_at(1 + next(rest.len().min(9)));
            frames.push(frame);
            rest = after;
        }
        let parsed = parse_with(MultipartParser::new(b"XX", &[]), &frames);
        assert_eq!(parsed, Ok(vec![file(&data)]), "{:?}", String::from_utf8_lossy(&form));
    }
}

#[test]
fn parts_are_read_however_they_are_written() {
    for (form, parts) in [
        // A preamble, padding, no headers, no blank line, an epilogue.
        (&b"ignored\r\nlines\r\n--XX \t\r\n\r\nhello\r\n--XX--\r\nrest"[..], vec![(None, &b"hello"[..])]),
        (b"\r\n--XX\r\n\r\n\r\n--XX--", vec![(None, b"")]),
        (b"\xEF\xBB\xBF--XX\r\n\r\nx\r\n--XX--", vec![(None, b"x")]),
        (b"--XX\r\n--XX\r\n\r\nx\r\n--XX--", vec![(None, b""), (None, b"x")]),
        (b"--XX\r\nX: y\r\n--XX--", vec![(None, b"")]),
        (b"--XX\r\nX: y\r\n\r\n--XX--", vec![(None, b"")]),
        (b"--XX\r\n\r\n--XX--", vec![(None, b"")]),
        // Folded headers, odd cases and blanks.
        (
            b"--XX\r\nCONTENT-disposition :\r\n\tform-data;\r\n  filename=\"f\"\r\n\r\nx\r\n--XX--",
            vec![(Some(&b"f"[..]), b"x")],
        ),
        (
            b"--XX\n folded\nContent-Disposition: form-data;\n filename=f\n\nx\n--XX--\n",
            vec![(Some(b"f"), b"x")],
        ),
        // The last delimiter without its dashes, or with one of them.
        (b"--XX\r\n\r\nx\r\n--XX", vec![(None, b"x")]),
        (b"--XX\r\n\r\nx\r\n--XX-", vec![(None, b"x")]),
        (b"--XX--\r\n", vec![]),
        (b"--XX", vec![]),
        // The last delimiter after a bare LF.
        (b"--XX\r\n\r\nx\n--XX--", vec![(None, b"x")]),
        (b"--XX\r\n\r\nx\n--XX--\r\n", vec![(None, b"x")]),
        (b"--XX\r\n\r\nx\n--XX--\n\n", vec![(None, b"x")]),
        (b"--XX\r\n\r\n\n--XX--\n", vec![(None, b"")]),
    ] {
        let parts: Parts =
            parts.into_iter().map(|(name, data)| (name.map(<[u8]>::to_vec), data.to_vec())).collect();
        assert_eq!(parse_every_way(form), Ok(parts), "{:?}", String::from_utf8_lossy(form));
    }
}

#[test]
fn the_boundary_that_the_form_opens_with_counts() {
    for opens_with in ["abc", "abcd", "d--"] {
        let form = format!("--{opens_with}\r\n\r\nx\r\n--other\r\n\r\n--{opens_with}--\r\n");
        for frame in 1..form.len() {
            let parser = MultipartParser::new(b"abc", &[b"abcd", b"d--"]);
            let parsed = parse_with(parser, &form.as_bytes().chunks(frame).collect::<Vec<_>>());
            assert_eq!(parsed, Ok(vec![(None, b"x\r\n--other\r\n".to_vec())]), "{opens_with} {frame}");
        }
    }
}

#[test]
fn a_form_that_ends_early_is_not_a_form() {
    let whole = form("\r\n", b"a\r\nb");
    for end in 0..whole.len() {
        let parsed = parse_every_way(&whole[..end]);
        match end {
            0 => assert_eq!(parsed, Err(FormError::NoBoundary)),
            // The first delimiter is complete, and closes a form that ends with it.
            4..=5 => assert_eq!(parsed, Ok(vec![])),
            _ if end < whole.len() - 4 => assert_eq!(parsed, Err(FormError::CutShort), "{end}"),
            _ => assert_eq!(parsed, Ok(vec![file(b"a\r\nb")]), "{end}"),
        }
    }
    assert_eq!(parse_every_way(b"--YY\r\n\r\nx\r\n--YY--\r\n"), Err(FormError::NoBoundary));
    assert_eq!(parse_every_way(b"username\njane\n"), Err(FormError::NoBoundary));
    assert_eq!(parse_every_way(b"--XX\r\n\r\njane,y,y--XX--\r\n"), Err(FormError::ClosedWithinLine));
    let long = [b"--XX\r\nX: ", &vec![b'x'; 2 * MAX_HEADER_BYTES][..]].concat();
    assert_eq!(parse(&long, 1000), Err(FormError::LongHeaders));
}

#[test]
fn a_body_without_boundary_is_not_held() {
    let mut parser = MultipartParser::new(b"XX", &[]);
    for _ in 0..10_000 {
        parser.push(&[b'x'; 1000]);
        assert_eq!(parser.next_event(), Ok(None));
        assert!(parser.buffer.is_empty());
    }
    assert_eq!(parser.opening().len(), OPENING_BYTES);
}
