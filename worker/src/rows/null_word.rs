//! Words that stand for an empty value where a program has written one as text.

use std::collections::HashSet;

use super::field::Field;
use super::header::Columns;
use crate::read::record::Record;

const WORDS: [&str; 3] = ["NULL", "\\N", "#N/A"];
/// Where such a word is taken for a name that many rows share.
const FIELDS: [Field; 2] = [Field::Username, Field::LibraryBarcode];

/// Looks for rows whose username or barcode is such a word. Only the first row for each word and column is reported.
#[derive(Debug, Default)]
pub struct NullWords {
    reported: HashSet<(Field, &'static str)>,
}

impl NullWords {
    /// Looks at the next row of the file. Returns a sentence for each word that it has and no earlier row had.
    pub fn look_at(&mut self, record: &Record<'_>, columns: &Columns) -> Vec<String> {
        let found = FIELDS.iter().filter_map(|field| {
            let cell = record.cell(columns.position(*field)?)?;
            // Nearly every cell begins with another character.
            if !matches!(cell.as_bytes().first(), Some(b'N' | b'n' | b'\\' | b'#')) {
                return None;
            }
            let word = WORDS.into_iter().find(|word| cell.eq_ignore_ascii_case(word))?;
            Some((*field, word))
        });
        found
            .filter(|found| self.reported.insert(*found))
            .map(|(field, word)| {
                format!(
                    "Row {} has \"{word}\" as its {}. It was taken as it stands; if an empty value is meant, leave the cell \
                     empty. Later rows that have it are not listed.",
                    record.number(),
                    field.name()
                )
            })
            .collect()
    }
}
