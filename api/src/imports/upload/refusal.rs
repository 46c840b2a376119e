//! What a client is told whose upload cannot be read. Each sentence names what the request holds, and what to do
//! instead. None quotes the file (invariant 12): of the body, only a line that is the boundary of a form.

use super::multipart::{BYTE_ORDER_MARK, FormError};

/// What a client should do instead, for the end of a refusal.
const SEND: &str = "Send the CSV as a file, as `curl -F \"file=@users.csv\"` does.";
/// The usual cause of a header that does not fit the body.
const REMOVE: &str = "If your command sets that header itself (-H \"Content-Type: …\"), remove it: it replaces the one \
                      that `curl -F` writes.";
/// How most bodies that are no form were sent.
const BARE: &str = "its body was sent bare, as curl's --data-binary, -d and -T do";

/// Characters of a header that are quoted.
const MAX_QUOTED: usize = 100;
/// Maximum length of a line that can be the first one of a form.
const MAX_BOUNDARY_LINE: usize = 204;

/// What a body begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Opening {
    Empty,
    /// The boundary line of a form, as it stands there.
    Form(String),
    Gzip,
    Json,
    Other,
}

impl Opening {
    fn of(body: &[u8]) -> Self {
        match body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body).trim_ascii_start() {
            [] => Self::Empty,
            [0x1F, 0x8B, ..] => Self::Gzip,
            [b'{' | b'[', ..] => Self::Json,
            text => boundary_line(text).map_or(Self::Other, Self::Form),
        }
    }

    /// What the body is instead of a form, for the end of a sentence that begins with it.
    fn instead(&self) -> &'static str {
        match self {
            Self::Empty => "the request has no body",
            Self::Gzip => "its body is compressed with gzip: send it uncompressed",
            Self::Json => "its body is JSON",
            Self::Form(_) | Self::Other => BARE,
        }
    }
}

/// The first line, if it is the boundary of a form and not a line of a file: a part's header or a blank line follows.
fn boundary_line(body: &[u8]) -> Option<String> {
    let (line, rest) = body.split_at(body.iter().position(|&byte| byte == b'\n')?);
    let line = line.trim_ascii_end();
    let is_boundary = line.len() <= MAX_BOUNDARY_LINE
        && line.len() > 2
        && line.starts_with(b"--")
        && line.iter().all(|byte| byte.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(byte));
    let mut following = rest[1..].split(|&byte| byte == b'\n');
    let following = following.next().unwrap_or_default().trim_ascii_end();
    let begins_part = match following.iter().position(|&byte| byte == b':') {
        Some(colon) => {
            colon > 0 && following[..colon].iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
        }
        None => following.is_empty(),
    };
    (is_boundary && begins_part).then(|| String::from_utf8_lossy(line).into_owned())
}

/// A request whose content type is not that of a multipart form.
pub(super) fn not_multipart(content_type: Option<&[u8]>, body: &[u8]) -> String {
    let header = content_type
        .map_or_else(|| "no Content-Type header".to_owned(), |value| format!("the header {}", header(value)));
    match Opening::of(body) {
        Opening::Form(line) => format!(
            "The request is not marked as a multipart form: its body begins with the boundary \"{line}\", but it has \
             {header}. {REMOVE} {SEND}"
        ),
        opening => {
            format!("The request is not a multipart form: it has {header}, and {}. {SEND}", opening.instead())
        }
    }
}

/// A content type of a multipart form that gives no boundary.
pub(super) fn no_usable_boundary(content_type: &[u8], body: &[u8]) -> String {
    let header = header(content_type);
    match Opening::of(body) {
        Opening::Form(line) => format!(
            "The header {header} gives no usable boundary, although the body is a multipart form that begins with \
             \"{line}\". {REMOVE} {SEND}"
        ),
        opening => format!(
            "The header {header} announces a multipart form but gives no usable boundary, and {}. {REMOVE} {SEND}",
            opening.instead()
        ),
    }
}

/// A body in which none of the header's boundaries begins a line. `complete` says that it was read to its end.
pub(super) fn boundary_not_found(boundaries: &[Vec<u8>], body: &[u8], complete: bool) -> String {
    let given = match boundaries {
        [boundary] => format!("the boundary \"{}\"", printable(boundary)),
        several => {
            let all: Vec<_> = several.iter().map(|one| format!("\"{}\"", printable(one))).collect();
            format!("the boundaries {}", all.join(" and "))
        }
    };
    let read = if complete { "" } else { " within its first MiB" };
    match Opening::of(body) {
        Opening::Form(line) => format!(
            "The multipart form begins with \"{line}\", but its header gives {given}, with two dashes before it in the \
             body. {REMOVE} {SEND}"
        ),
        Opening::Other => format!(
            "The request is marked as a multipart form, but no line of its body is {given} that the header gives{read}: \
             {BARE}. {SEND}"
        ),
        opening => format!("The request is marked as a multipart form, but {}. {SEND}", opening.instead()),
    }
}

/// A form that has begun and cannot be read to the end of its file. `bytes` is the length of the body.
pub(super) fn malformed(error: FormError, bytes: u64) -> String {
    match error {
        FormError::ClosedWithinLine => format!(
            "The multipart form's closing boundary does not begin a line, so it cannot be told from the file: put a \
             line end before it. {SEND}"
        ),
        FormError::LongHeaders => {
            format!("The multipart form has a part with more than 64 KiB of headers. {SEND}")
        }
        FormError::CutShort | FormError::NoBoundary => format!(
            "The multipart form is cut short: it ends after {bytes} bytes, and its closing boundary is missing. {SEND}"
        ),
    }
}

/// A file whose part has no blank line between its headers and its data.
pub(super) fn headers_not_ended() -> String {
    format!(
        "The headers of the file's part of the multipart form do not end: put an empty line between them and the file. {SEND}"
    )
}

/// A form whose first MiB holds no file.
pub(super) fn file_too_late() -> String {
    format!("The multipart form has no file within its first MiB: too much precedes it. {SEND}")
}

/// A complete form without a file. `nested` says that a part is a form of its own.
pub(super) fn no_file(fields: usize, nested: bool) -> String {
    let saw = match fields {
        _ if nested => "its files are in a form of their own within it: send one file, by itself",
        0 => "it has no part",
        1 => "its only part has no file name: `-F \"file=users.csv\"` without the @, or with <, sends a text",
        _ => {
            "none of its parts has a file name: `-F \"file=users.csv\"` without the @, or with <, sends a text"
        }
    };
    format!("The multipart form has no file: {saw}. {SEND}")
}

/// A file in a transfer encoding, which forms over HTTP do not use (RFC 7578, section 4.7).
pub(super) fn transfer_encoding(encoding: &[u8]) -> String {
    format!(
        "The file's part of the multipart form has the header \"Content-Transfer-Encoding: {}\". Send the file's bytes as \
         they are, without that header. {SEND}",
        printable(encoding)
    )
}

/// A request or a file with a content coding, such as gzip. `of` names which of them.
pub(super) fn content_encoding(of: &str, encoding: &[u8]) -> String {
    format!(
        "The {of} has the header \"Content-Encoding: {}\". Send the multipart form uncompressed, without that header. {SEND}",
        printable(encoding)
    )
}

/// A `Content-Type` header as it is quoted: without its parameters, which the client may not have written.
fn header(content_type: &[u8]) -> String {
    let kind = content_type.split(|&byte| byte == b';').next().unwrap_or_default();
    format!("\"Content-Type: {}\"", printable(kind.trim_ascii()))
}

/// The beginning of a header's value, without what could break a line or a terminal.
fn printable(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    let mut shown: String = text
        .chars()
        .take(MAX_QUOTED)
        .map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c })
        .collect();
    if text.chars().nth(MAX_QUOTED).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_boundary_of_a_form_is_quoted() {
        let form = |line: &str| Opening::Form(line.to_owned());
        for (body, opening) in [
            (&b"--YY\r\nContent-Disposition: form-data\r\n\r\nx"[..], form("--YY")),
            (b"\r\n--YY\nContent-Type: text/csv\n\nx", form("--YY")),
            (b"--YY\r\n\r\njane", form("--YY")),
            (b"\xEF\xBB\xBF--YY\r\n\r\njane", form("--YY")),
            (b"--jane,doe\nother,row\n", Opening::Other),
            (b"--jane doe\n\n", Opening::Other),
            (b"--secret", Opening::Other),
            (b"--\n\n", Opening::Other),
            (b"username\njane", Opening::Other),
            (b"", Opening::Empty),
            (b"\r\n", Opening::Empty),
            (b"\x1f\x8b\x08\0", Opening::Gzip),
            (b" {\"users\":[]}", Opening::Json),
            (b"[1]", Opening::Json),
        ] {
            assert_eq!(Opening::of(body), opening, "{}", String::from_utf8_lossy(body));
        }
        let long = format!("--{}\r\n\r\n", "x".repeat(300));
        assert_eq!(Opening::of(long.as_bytes()), Opening::Other);
    }

    #[test]
    fn quoted_headers_are_short_and_printable() {
        assert_eq!(printable(b"a\tb\x1b[2J\xff"), "a\u{fffd}b\u{fffd}[2J\u{fffd}");
        assert_eq!(printable(&[b'x'; 500]).chars().count(), MAX_QUOTED + 1);
        assert_eq!(header(b"text/csv; boundary=secret"), "\"Content-Type: text/csv\"");
    }
}
