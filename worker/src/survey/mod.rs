//! The survey: the first reading of an upload. It finds the file's format and what its header line says, or why the file
//! cannot be imported at all.

use std::io::{self, Read};

use rollcall_schema::imports::model::Endpoint;
use rollcall_schema::imports::progress::FileFormat;

use crate::read::file_type::FileType;
use crate::read::format::Format;
use crate::read::refusal::{FileRefusal, ReadError};
use crate::read::text::fill;
use crate::read::{self, Detected};
use crate::rows::columns::ColumnTables;
use crate::rows::header::{self, Header, HeaderRefusal, NearMiss};
use crate::rows::lost_lines::names_username;
use crate::{memberships, users};

const COLUMN_TABLES: ColumnTables =
    ColumnTables { users: users::columns::NAMES, memberships: memberships::columns::NAMES };

/// What the first reading found: all that the second reading needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    pub format: Format,
    /// The file is not UTF-8 and nothing says what it is: it is read as Windows-1252.
    pub is_fallback: bool,
    /// `None` if the file is empty or holds only blank lines. Then it has no rows.
    pub header: Option<Header>,
}

impl Survey {
    /// What is stored with the import.
    pub fn file_format(&self) -> FileFormat {
        FileFormat {
            kind: self.header.as_ref().map(|header| header.kind),
            encoding: self.format.encoding.name().to_owned(),
            delimiter: self.format.delimiter.to_string(),
            ignored_columns: self.header.as_ref().map_or_else(Vec::new, |header| header.ignored.clone()),
            warnings: self.warnings(),
        }
    }
}

impl Survey {
    /// What is odd about the file as a whole, in sentences for its sender.
    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.is_fallback {
            warnings.push(
                "The file is not UTF-8; it was read as Windows-1252. If names look wrong, save it as UTF-8."
                    .to_owned(),
            );
        }
        if let Some(header) = &self.header {
            let meant = header.near_misses.iter().map(|NearMiss { written, known }| {
                format!("Column \"{written}\" was ignored: is {known} meant? Then rename it.")
            });
            warnings.extend(meant);
            let is_near = |name: &&String| header.near_misses.iter().any(|near| near.written == **name);
            let others: Vec<&str> =
                header.ignored.iter().filter(|name| !is_near(name)).map(String::as_str).collect();
            if !others.is_empty() {
                let unlisted = header.ignored_count - header.ignored.len();
                warnings.push(format!("Ignored columns: {}.", listed(&others, unlisted)));
            }
        }
        warnings
    }
}

/// The first names of a list, of which `unlisted` more are not given.
fn listed(names: &[&str], unlisted: usize) -> String {
    const LISTED: usize = 20;
    let first = names.iter().take(LISTED).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(LISTED) + unlisted {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// Why a file cannot be imported. Displays as the result's summary.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error(transparent)]
    File(#[from] FileRefusal),
    #[error(transparent)]
    Header(#[from] HeaderRefusal),
}

/// Why a survey failed.
#[derive(Debug, thiserror::Error)]
pub enum SurveyError {
    /// The file is at fault: every attempt would fail in the same way.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The upload could not be read; another attempt may succeed.
    #[error("the upload could not be read")]
    Io(#[from] io::Error),
}

impl From<ReadError> for SurveyError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Refused(refusal) => Self::Refused(refusal.into()),
            ReadError::Io(error) => Self::Io(error),
        }
    }
}

impl From<HeaderRefusal> for SurveyError {
    fn from(refusal: HeaderRefusal) -> Self {
        Self::Refused(refusal.into())
    }
}

/// Surveys an upload that was posted to `endpoint`. `charset` is the parameter of the multipart part's content type, if
/// it has one.
pub fn survey(
    mut source: impl Read,
    endpoint: Endpoint,
    charset: Option<&str>,
) -> Result<Survey, SurveyError> {
    let mut magic = [0; FileType::MAGIC_BYTES];
    let length = fill(&mut source, &mut magic)?;
    let magic = magic.get(..length).unwrap_or_default();
    survey_text(magic.chain(source), endpoint, charset).map_err(|error| match (error, FileType::of(magic)) {
        // Whatever is wrong with it as a CSV, the fix is to send a CSV.
        (SurveyError::Refused(_), Some(file_type)) => {
            SurveyError::Refused(FileRefusal::NotCsv(file_type).into())
        }
        (error, _) => error,
    })
}

fn survey_text(source: impl Read, endpoint: Endpoint, charset: Option<&str>) -> Result<Survey, SurveyError> {
    let Detected { format, is_fallback, opening } = read::detect(source, charset)?;
    let line = opening.header(format)?;
    let header = line.as_ref().and_then(|line| Some((line.record.get(0)?, line.is_all)));
    let header =
        header.map(|(record, is_all)| header::read(&record, is_all, endpoint, &COLUMN_TABLES)).transpose()?;
    if header.is_none() && names_username(opening.text()) {
        // All of it was taken for a line that a tool wrote before the header.
        return Err(SurveyError::Refused(HeaderRefusal::LineBreaksLost.into()));
    }
    if header.is_none() && opening.is_of_nuls() {
        return Err(SurveyError::Refused(FileRefusal::OnlyNuls.into()));
    }
    Ok(Survey { format, is_fallback, header })
}

#[cfg(test)]
mod tests;
