//! Reads an upload: bytes → text → records.
//!
//! An upload is read twice. The first reading, [`survey`], settles what only the whole file can tell (its encoding) and
//! what its header line says (delimiter, columns, kind of import). The second, [`Records`], yields
//! the rows. Both hold a bounded part of the file in memory, whatever the file.
//!
//! The reader knows nothing of where the bytes come from and nothing of what a row means.

pub mod batch;
pub mod delimiter;
pub mod encoding;
pub mod records;
pub mod refusal;

use std::io::{self, Read};

use encoding_rs::{Encoding, UTF_8};
use rollcall_schema::import::Endpoint;

use crate::rows::header::{self, Header};
use delimiter::Delimiter;
use encoding::Opening;
use records::{Records, Shape};
use refusal::{FileType, ReadError, Refusal};

/// What the first reading found: all that the second needs, and what is kept on the job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// The encoding that the whole file is in; `name()` is its name.
    pub encoding: &'static Encoding,
    /// What stands between the cells.
    pub delimiter: Delimiter,
    /// What the header line says. None where the file is empty or holds only blank lines: there are no rows then.
    pub header: Option<Header>,
}

/// The first reading of an upload. `charset` is the parameter of the part's content type, if it has one.
///
/// # Errors
///
/// [`ReadError::Refused`] where the file cannot be imported however often it is tried, [`ReadError::Io`] where `source`
/// could not be read.
pub fn survey(mut source: impl Read, endpoint: Endpoint, charset: Option<&str>) -> Result<Survey, ReadError> {
    let mut magic = [0; FileType::MAGIC_BYTES];
    let length = encoding::fill(&mut source, &mut magic)?;
    let magic = magic.get(..length).unwrap_or_default();
    survey_text(magic.chain(source), endpoint, charset).map_err(|error| match (error, FileType::of(magic)) {
        // Whatever was found wrong with it as a CSV, the mend is to send a CSV.
        (ReadError::Refused(_), Some(file_type)) => Refusal::NotCsv(file_type).into(),
        (error, _) => error,
    })
}

fn survey_text(source: impl Read, endpoint: Endpoint, charset: Option<&str>) -> Result<Survey, ReadError> {
    let (encoding, opening) = encoding::scan(source, charset)?;
    let delimiter = Delimiter::of_opening(opening.bytes());
    let header = header(&opening, delimiter, endpoint)?;
    Ok(Survey { encoding, delimiter, header })
}

fn header(opening: &Opening, delimiter: Delimiter, endpoint: Endpoint) -> Result<Option<Header>, ReadError> {
    let mut records = Records::new(opening.bytes(), UTF_8, delimiter);
    let Some(record) = records.next_record()? else {
        return Ok(None);
    };
    let result = match record.shape() {
        Shape::Whole => Ok(header::read(&record, endpoint)?),
        Shape::TooLong => Err(Refusal::HeaderTooLong),
        Shape::QuoteNeverCloses => Err(Refusal::HeaderQuoteNeverCloses),
    };
    if opening.is_cut() && records.is_at_end() {
        // The header goes on beyond what is kept of the file, so that more is not known of it.
        return Err(Refusal::HeaderTooLong.into());
    }
    Ok(Some(result?))
}

/// How many rows the upload has, by the rules of [`Records`]: the header and blank lines are none.
pub fn count_rows(source: impl Read, survey: &Survey) -> io::Result<u64> {
    let mut records = Records::open(source, survey);
    let mut rows = 0;
    while let Some(record) = records.next_record()? {
        rows = record.number().0;
    }
    Ok(rows)
}

#[cfg(test)]
mod tests;
