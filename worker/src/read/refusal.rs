//! Why a file cannot be read as a CSV, in sentences for the technician at the school.
//!
//! Each sentence names the problem and how to fix it. They appear in the result's `summary`, so each is one paragraph of
//! plain text, without control characters, and of bounded length whatever the file contains.

use std::io;

use super::file_type::FileType;

/// Why an upload was not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file is at fault: every attempt would fail in the same way.
    #[error(transparent)]
    Refused(#[from] FileRefusal),
    /// The upload could not be read; another attempt may succeed.
    #[error("the upload could not be read")]
    Io(#[from] io::Error),
}

/// A file that cannot be read as a CSV, and what its sender can do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileRefusal {
    /// The `charset` parameter is not a label of the WHATWG Encoding Standard.
    #[error(
        "The charset parameter of the file names an unknown encoding ({0}). Name one such as utf-8, utf-16 or \
         windows-1252, or leave the parameter out."
    )]
    UnknownCharset(String),
    /// The file is not in the encoding that it claims to be in.
    #[error(
        "The file cannot be read as {encoding}, which {basis} says it is: the bytes at offset {offset} are not a \
         character of that encoding. Save the file as UTF-8, or {}.", basis.remedy()
    )]
    Undecodable {
        encoding: &'static str,
        /// What names the encoding.
        basis: Basis,
        /// Bytes before the first malformed character.
        offset: u64,
    },
    /// The file is of another type altogether.
    #[error("The file is {}, not a CSV. {}", .0.name(), .0.remedy())]
    NotCsv(FileType),
    /// What a disk leaves of a file that was never written.
    #[error("The file holds nothing but NUL characters: it is damaged. Export it again.")]
    OnlyNuls,
    /// The first line says `sep=` and a delimiter that is not known.
    #[error(
        "The first line of the file says that “{0}” separates its columns. Separate them by commas, semicolons or tabs."
    )]
    UnknownSeparator(String),
    /// The header line is longer than a record may be.
    #[error(
        "The header line is longer than 1 MiB: the file's line breaks may have been lost. Make the first line of the \
         file the column names, separated by commas, and end it and each row with a line break."
    )]
    HeaderTooLong,
    /// A quote opens in the header line that does not close.
    #[error("The header line has a quote that does not close. Close it, or take it out.")]
    HeaderQuoteNotClosed,
}

/// What names the encoding of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// The `charset` parameter of the multipart part.
    CharsetParameter,
    /// The byte-order mark at the start of the file.
    ByteOrderMark,
    /// The zero bytes in its first characters.
    ZeroBytes,
}

impl Basis {
    const fn remedy(self) -> &'static str {
        match self {
            Basis::CharsetParameter => "correct or leave out the charset parameter",
            Basis::ByteOrderMark => "take out the byte-order mark that it starts with",
            Basis::ZeroBytes => "name its encoding in a charset parameter of the file",
        }
    }
}

impl std::fmt::Display for Basis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Basis::CharsetParameter => "its charset parameter",
            Basis::ByteOrderMark => "its byte-order mark",
            Basis::ZeroBytes => "every second byte of its first line, a zero,",
        })
    }
}

/// At most `max_chars` characters of a text from the file, for a message. Control characters are replaced: they help no
/// reader, and Postgres cannot store NUL.
pub fn printable(text: &str, max_chars: usize) -> String {
    text.chars()
        .take(max_chars)
        .map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c })
        .collect()
}
