//! The format of a file: what detection finds and the reader of records needs.

use encoding_rs::Encoding;

use super::delimiter::Delimiter;

/// How a file's bytes become records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// The encoding of the whole file.
    pub encoding: &'static Encoding,
    pub delimiter: Delimiter,
    /// Lines before the header line that are not blank and belong to no record: `sep=;`, `#TYPE …`.
    pub preamble_lines: usize,
}
