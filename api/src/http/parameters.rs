//! The grammar that many headers share: lists, `name=value` parameters and quoted strings (RFC 9110, section 5.6). It
//! works on bytes because a browser may send a file name in any encoding.

/// Splits at each separator outside a quoted string.
pub fn split_unquoted(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    let mut escaped = false;
    text.split(move |&byte| {
        let inside = quoted;
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => {}
        }
        byte == separator && !inside
    })
}

/// Splits `name=value` and removes the quotes. A missing value is returned as an empty one.
pub fn name_and_value(parameter: &[u8]) -> (&[u8], &[u8]) {
    let mut parts = parameter.splitn(2, |&byte| byte == b'=');
    let name = parts.next().unwrap_or_default().trim_ascii();
    let value = parts.next().unwrap_or_default().trim_ascii();
    let unquoted = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
    (name, unquoted.unwrap_or(value))
}

/// The value of a header's parameter, as in `value; name=value`. If the name occurs twice the first one counts.
pub fn parameter<'a>(header: &'a [u8], name: &'a str) -> Option<&'a [u8]> {
    parameters(header, name).next()
}

/// The values of a header's parameters of this name, in their order.
pub fn parameters<'a>(header: &'a [u8], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    split_unquoted(header, b';')
        .skip(1)
        .map(name_and_value)
        .filter(move |(found, _)| found.eq_ignore_ascii_case(name.as_bytes()))
        .map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_however_they_are_written() {
        for (header, expected) in [
            (&b"text/csv; charset=utf-8"[..], Some(&b"utf-8"[..])),
            (b"text/csv;CharSet = \"windows-1252\" ; x=y", Some(b"windows-1252")),
            (b"text/csv; x=\"a; charset=utf-7\"; charset=utf-8", Some(b"utf-8")),
            (b"text/csv; x=\"a\\\"; charset=utf-7\"; charset=utf-8", Some(b"utf-8")),
            (b"text/csv; charset", Some(b"")),
            (b"text/csv; charset=utf-8; charset=utf-7", Some(b"utf-8")),
            (b"charset=utf-8", None),
            (b"text/csv", None),
            (b"", None),
        ] {
            assert_eq!(parameter(header, "charset"), expected, "{}", String::from_utf8_lossy(header));
        }
    }

    #[test]
    fn a_file_name_may_be_any_bytes() {
        for header in [
            &b"form-data; name=\"file\"; filename=\"users.csv\""[..],
            b"form-data; name=file; filename=users.csv",
            b"form-data; name=\"file\"; filename=\"\"",
            b"form-data; name=\"file\"; FILENAME=\"Sch\xfcler; a=b.csv\"",
            b"form-data; filename=\"C:\\users.csv\"; name=\"file\"",
        ] {
            assert!(parameter(header, "filename").is_some(), "{}", String::from_utf8_lossy(header));
        }
        assert!(parameter(b"form-data; name=\"filename=x\"", "filename").is_none());
    }
}
