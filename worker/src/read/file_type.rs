//! Types of file that are often sent instead of a CSV, recognised by their first bytes.

/// A type of file that is sent instead of a CSV often enough to be named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileType {
    /// A ZIP archive, which an XLSX workbook also is.
    Zip,
    /// A compound file, which an XLS workbook is.
    Ole,
    Pdf,
    Gzip,
}

impl FileType {
    /// How many bytes at the start of a file identify its type.
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

    pub(super) const fn name(self) -> &'static str {
        match self {
            FileType::Zip => "a ZIP archive or an Excel workbook",
            FileType::Ole => "an old Excel workbook (.xls)",
            FileType::Pdf => "a PDF document",
            FileType::Gzip => "a gzip-compressed file",
        }
    }

    /// What the sender can do about it.
    pub(super) const fn remedy(self) -> &'static str {
        match self {
            FileType::Zip | FileType::Ole => {
                "In Excel save the sheet as “CSV UTF-8 (Comma delimited)”, or unpack the archive, and send the CSV."
            }
            FileType::Pdf => "Export the users as a CSV and send that.",
            FileType::Gzip => "Decompress it and send the CSV.",
        }
    }
}
