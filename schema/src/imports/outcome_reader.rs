//! Reading the stored outcomes of an import row by row, in bounded memory however large its chunks are.

use std::collections::VecDeque;

use super::model::{signed, unsigned};
use super::tally::Outcome;
use crate::ids::{ImportId, TenantId};
use crate::postgres::error::DatabaseError;
use crate::postgres::pool::Database;

const OUTCOME_PORTION: &str = include_str!("sql/outcome_portion.sql");

pub(crate) const STATEMENTS: &[(&str, &str)] = &[("outcome_portion", OUTCOME_PORTION)];

/// Bytes of failed rows' texts that are loaded at once.
const PORTION_BYTES: i64 = 64 * 1024;

/// The outcomes of an import's rows, in order. Holds two bits for each row of one chunk and [`PORTION_BYTES`] of texts, and
/// a connection only while it loads more.
pub struct OutcomeReader {
    database: Database,
    tenant: TenantId,
    import: ImportId,
    chunk: Chunk,
}

/// A chunk, as far as it was read.
#[derive(Debug, Default)]
struct Chunk {
    first_row: u64,
    rows: u32,
    packed: Vec<u8>,
    /// Rows that were read.
    read: u32,
    /// Failed rows among them.
    failed: i32,
    /// The texts of the next failed rows.
    problems: VecDeque<String>,
}

impl OutcomeReader {
    /// Begins before the first row.
    pub fn new(database: Database, tenant: TenantId, import: ImportId) -> Self {
        Self { database, tenant, import, chunk: Chunk { first_row: 1, ..Chunk::default() } }
    }

    /// The next row's number and its outcome, or the text of its problems if it failed. `None` if more must be
    /// [loaded](Self::load) first.
    pub fn next_loaded(&mut self) -> Option<(u64, Result<Outcome, String>)> {
        self.chunk.next()
    }

    /// Loads more rows. Returns `false` if there are none.
    pub async fn load(&mut self) -> Result<bool, DatabaseError> {
        let chunk = &mut self.chunk;
        let is_read = chunk.read == chunk.rows;
        let (from, skipped) = if is_read {
            (chunk.first_row + u64::from(chunk.rows), 0)
        } else {
            (chunk.first_row, chunk.failed)
        };
        let session = self.database.session_for(self.tenant).await?.with_cached_plans();
        let row = session
            .query_opt(
                OUTCOME_PORTION,
                &[&self.tenant, &self.import, &signed(from), &skipped, &PORTION_BYTES],
            )
            .await?;
        drop(session);
        let Some(row) = row else { return Ok(false) };
        chunk.problems = row.try_get::<_, Vec<String>>(3)?.into();
        if is_read {
            chunk.first_row = unsigned(row.try_get(0)?);
            chunk.rows = u32::try_from(row.try_get::<_, i32>(1)?).unwrap_or(0);
            chunk.packed = row.try_get(2)?;
            chunk.read = 0;
            chunk.failed = 0;
        } else if chunk.problems.is_empty() {
            // Cannot happen: each failed row has a text. Without one the reader would never end.
            chunk.problems.push_back(String::new());
        }
        Ok(true)
    }
}

impl Chunk {
    fn next(&mut self) -> Option<(u64, Result<Outcome, String>)> {
        if self.read == self.rows {
            return None;
        }
        let byte = self.packed.get((self.read / 4) as usize).copied().unwrap_or(0);
        let outcome = match Outcome::from_bits(byte >> ((self.read % 4) * 2)) {
            Outcome::Failed => {
                let problems = self.problems.pop_front()?;
                self.failed += 1;
                Err(problems)
            }
            outcome => Ok(outcome),
        };
        let row = self.first_row + u64::from(self.read);
        self.read += 1;
        Some((row, outcome))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_row_waits_for_its_text() {
        // Created, failed, updated, failed; created.
        let packed = vec![0b10_01_10_00, 0b00];
        let mut chunk = Chunk { first_row: 41, rows: 5, packed, ..Chunk::default() };
        assert_eq!(chunk.next(), Some((41, Ok(Outcome::Created))));
        assert_eq!(chunk.next(), None);
        chunk.problems.push_back("one ".to_owned());
        assert_eq!(chunk.next(), Some((42, Err("one ".to_owned()))));
        assert_eq!(chunk.next(), Some((43, Ok(Outcome::Updated))));
        assert_eq!((chunk.next(), chunk.failed), (None, 1));
        chunk.problems.push_back("two ".to_owned());
        assert_eq!(chunk.next(), Some((44, Err("two ".to_owned()))));
        assert_eq!(chunk.next(), Some((45, Ok(Outcome::Created))));
        assert_eq!((chunk.next(), chunk.read), (None, 5));
    }
}
