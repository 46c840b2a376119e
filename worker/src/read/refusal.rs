//! Why a file cannot be imported at all, in the sentences that the school's technician reads.
//!
//! Each names the problem and the mend. They stand in `summary`, so they are one paragraph of plain text, without
//! control characters and of bounded length whatever the file says.

use std::io;

use rollcall_schema::import::Endpoint;

/// Why an upload was not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file is at fault; trying again finds the same.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The upload could not be read; trying again may help.
    #[error("the upload could not be read")]
    Io(#[from] io::Error),
}

/// A file that cannot be imported, and what its sender can do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The `charset` parameter is none that the WHATWG's Encoding Standard knows.
    #[error(
        "The charset parameter of the file names an unknown encoding ({0}). Name one such as utf-8, utf-16 or \
         windows-1252, or leave the parameter out."
    )]
    UnknownCharset(String),
    /// The file is not in the encoding that it says it is in.
    #[error(
        "The file cannot be read as {encoding}, which {basis} says it is: the bytes at offset {offset} are not a \
         character of that encoding. Save the file as UTF-8, or {}.", basis.mend()
    )]
    Undecodable {
        /// The encoding's name.
        encoding: &'static str,
        /// What says so.
        basis: Basis,
        /// Bytes before the first malformed character.
        offset: u64,
    },
    /// The file is of another type altogether.
    #[error("The file is {}, not a CSV. {}", .0.name(), .0.mend())]
    NotCsv(FileType),
    /// The header line is full of NUL characters.
    #[error(
        "The file seems to be in UTF-16 without a byte-order mark, or in UTF-32: its header line is full of NUL \
         characters. Save the file as UTF-8, or name its encoding in a charset parameter of the file."
    )]
    HeaderFullOfNuls,
    /// The header line is longer than a record may be.
    #[error(
        "The header line is longer than 1 MiB. Make the first line of the file the column names, separated by commas, \
         and end it with a line break."
    )]
    HeaderTooLong,
    /// A quote opens in the header line and the file ends before it closes.
    #[error("The header line has a quote that never closes. Close it, or take it out.")]
    HeaderQuoteNeverCloses,
    /// The header names no `username` column.
    #[error(
        "The file has no username column: its header line names {names}. Add a column named username, and make the \
         line of column names the first line of the file."
    )]
    NoUsername {
        /// The first of the columns' names.
        names: String,
    },
    /// A group import lacks some of its three columns.
    #[error(
        "A group import needs the columns username, library-group and system-group, but the file has no {missing} \
         column: its header line names {names}. Add what is missing{}.", or_send_elsewhere(*endpoint)
    )]
    MissingColumns {
        /// The columns that are missing.
        missing: String,
        /// The first of the columns' names.
        names: String,
        /// Where the file was sent.
        endpoint: Endpoint,
    },
    /// Two columns of the header are the same one.
    #[error(
        "Columns {} ({}) and {} ({}) of the header line both stand for {field}. Keep one of them and take the other \
         out.", first.0, first.1, second.0, second.1
    )]
    ColumnTwice {
        /// The field's name.
        field: &'static str,
        /// The earlier one's number, from 1, and its name as written.
        first: (usize, String),
        /// The later one's.
        second: (usize, String),
    },
}

/// What else can be done about a group import that lacks columns.
const fn or_send_elsewhere(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::Users => "",
        Endpoint::UserGroups => ", or send an import of users to /api/import/users",
    }
}

/// What says which encoding a file is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// The `charset` parameter of the part.
    CharsetParameter,
    /// The byte-order mark at the start of the file.
    ByteOrderMark,
}

impl Basis {
    const fn mend(self) -> &'static str {
        match self {
            Basis::CharsetParameter => "correct or leave out the charset parameter",
            Basis::ByteOrderMark => "take out the byte-order mark that it starts with",
        }
    }
}

impl std::fmt::Display for Basis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Basis::CharsetParameter => "its charset parameter",
            Basis::ByteOrderMark => "its byte-order mark",
        })
    }
}

/// A type of file that is sent in place of a CSV often enough to be named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileType {
    /// A ZIP archive, which an XLSX workbook also is.
    Zip,
    /// A compound file, which an XLS workbook is.
    Ole,
    /// A PDF document.
    Pdf,
    /// A gzip-compressed file.
    Gzip,
}

impl FileType {
    /// How many bytes of a file tell its type.
    pub const MAGIC_BYTES: usize = 8;

    /// The type of the file that starts with `magic`.
    pub fn of(magic: &[u8]) -> Option<FileType> {
        if magic.starts_with(b"PK\x03\x04") {
            Some(FileType::Zip)
        } else if magic.starts_with(b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1") {
            Some(FileType::Ole)
        } else if magic.starts_with(b"%PDF-") {
            Some(FileType::Pdf)
        } else if magic.starts_with(b"\x1F\x8B\x08") {
            Some(FileType::Gzip)
        } else {
            None
        }
    }

    const fn name(self) -> &'static str {
        match self {
            FileType::Zip => "a ZIP archive or an Excel workbook",
            FileType::Ole => "an old Excel workbook (.xls)",
            FileType::Pdf => "a PDF document",
            FileType::Gzip => "a gzip-compressed file",
        }
    }

    const fn mend(self) -> &'static str {
        match self {
            FileType::Zip | FileType::Ole => {
                "In Excel save the sheet as “CSV UTF-8 (Comma delimited)”, or unpack the archive, and send the CSV."
            }
            FileType::Pdf => "Export the users as a CSV and send that.",
            FileType::Gzip => "Decompress it and send the CSV.",
        }
    }
}
