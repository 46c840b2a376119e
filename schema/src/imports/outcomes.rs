//! What became of each row: counted, packed chunk by chunk, and stored.

use std::ops::AddAssign;

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use crate::database::Connection;
use crate::ids::{ImportId, TenantId};
use crate::import::Lease;
use crate::session::Session;
use crate::tables::chunk_outcomes;

/// What became of one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The row made a user.
    Created,
    /// The row found its user, whether or not it changed anything.
    Updated,
    /// The row has problems and changed nothing.
    Failed,
}

impl Outcome {
    fn bits(self) -> u8 {
        match self {
            Self::Created => 0,
            Self::Updated => 1,
            Self::Failed => 2,
        }
    }

    fn from_bits(bits: u8) -> Self {
        match bits & 0b11 {
            0 => Self::Created,
            1 => Self::Updated,
            _ => Self::Failed,
        }
    }
}

/// How many rows had which outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Rows that made a user.
    pub created: u64,
    /// Rows that found their user.
    pub updated: u64,
    /// Rows that failed.
    pub failed: u64,
}

impl Tally {
    /// All rows counted.
    pub fn rows(self) -> u64 {
        self.created + self.updated + self.failed
    }
}

impl AddAssign<Outcome> for Tally {
    fn add_assign(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Created => self.created += 1,
            Outcome::Updated => self.updated += 1,
            Outcome::Failed => self.failed += 1,
        }
    }
}

/// The outcomes of a chunk: consecutive rows of one import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkOutcomes {
    first_row: u64,
    rows: u32,
    packed: Vec<u8>,
    problems: Vec<String>,
    tally: Tally,
}

impl ChunkOutcomes {
    /// No outcome yet; the first will be that of row `first_row`, counted from 1.
    pub fn starting_at(first_row: u64) -> Self {
        Self { first_row, rows: 0, packed: Vec::new(), problems: Vec::new(), tally: Tally::default() }
    }

    /// The next row succeeded, or failed with these problems.
    pub fn push(&mut self, outcome: Result<Outcome, String>) {
        let outcome = outcome.unwrap_or_else(|problems| {
            self.problems.push(problems);
            Outcome::Failed
        });
        let place = (self.rows % 4) * 2;
        if place == 0 {
            self.packed.push(0);
        }
        if let Some(last) = self.packed.last_mut() {
            *last |= outcome.bits() << place;
        }
        self.rows += 1;
        self.tally += outcome;
    }

    /// How many rows had which outcome.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Whether there is no outcome in it.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The row behind the last.
    pub fn next_row(&self) -> u64 {
        self.first_row + u64::from(self.rows)
    }

    /// Each row's number and outcome; a failed row's with its problems.
    pub fn iter(&self) -> impl Iterator<Item = (u64, Result<Outcome, &str>)> {
        let mut problems = self.problems.iter();
        (0..self.rows).map(move |index| {
            let byte = self.packed.get((index / 4) as usize).copied().unwrap_or(0);
            let outcome = match Outcome::from_bits(byte >> ((index % 4) * 2)) {
                Outcome::Failed => Err(problems.next().map_or("", String::as_str)),
                outcome => Ok(outcome),
            };
            (self.first_row + u64::from(index), outcome)
        })
    }
}

/// Stores a chunk's outcomes, in the chunk's transaction, if there are any.
pub async fn store_in_txn(
    txn: &Session,
    lease: &Lease,
    chunk: &ChunkOutcomes,
) -> Result<(), tokio_postgres::Error> {
    if chunk.is_empty() {
        return Ok(());
    }
    txn.execute(
        STORE,
        &[
            &lease.tenant.as_uuid(),
            &lease.import.as_uuid(),
            &i64::try_from(chunk.first_row).unwrap_or(i64::MAX),
            &i32::try_from(chunk.rows).unwrap_or(i32::MAX),
            &chunk.packed,
            &chunk.problems,
        ],
    )
    .await?;
    Ok(())
}

/// The statement of [`store_in_txn`].
pub const STORE: &str =
    "insert into chunk_outcomes (tenant_id, import_id, first_row, rows, outcomes, problems)
                         values ($1, $2, $3, $4, $5, $6)";

/// The stored chunk that begins at `first_row` or behind it. One chunk at a time: whoever reads an import of ten
/// million rows holds some thousand of them.
pub async fn load(
    conn: &mut Connection,
    tenant: TenantId,
    import: ImportId,
    first_row: u64,
) -> QueryResult<Option<ChunkOutcomes>> {
    let row: Option<(i64, i32, Vec<u8>, Vec<String>)> = chunk_outcomes::table
        .filter(chunk_outcomes::tenant_id.eq(tenant))
        .filter(chunk_outcomes::import_id.eq(import))
        .filter(chunk_outcomes::first_row.ge(i64::try_from(first_row).unwrap_or(i64::MAX)))
        .order(chunk_outcomes::first_row)
        .select((
            chunk_outcomes::first_row,
            chunk_outcomes::rows,
            chunk_outcomes::outcomes,
            chunk_outcomes::problems,
        ))
        .first(conn)
        .await
        .optional()?;
    Ok(row.map(|(first_row, rows, packed, problems)| {
        let mut chunk = ChunkOutcomes {
            first_row: u64::try_from(first_row).unwrap_or(0),
            rows: u32::try_from(rows).unwrap_or(0),
            packed,
            problems,
            tally: Tally::default(),
        };
        let mut tally = Tally::default();
        for (_, outcome) in chunk.iter() {
            tally += outcome.unwrap_or(Outcome::Failed);
        }
        chunk.tally = tally;
        chunk
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_come_back_in_order_with_their_problems() {
        let mut chunk = ChunkOutcomes::starting_at(41);
        let pushed = [
            Ok(Outcome::Created),
            Err("one ".to_owned()),
            Ok(Outcome::Updated),
            Ok(Outcome::Created),
            Err("two ".to_owned()),
        ];
        for outcome in pushed.clone() {
            chunk.push(outcome);
        }
        let back: Vec<_> = chunk.iter().map(|(row, outcome)| (row, outcome.map_err(str::to_owned))).collect();
        let expected: Vec<_> = (41..).zip(pushed).collect();
        assert_eq!(back, expected);
        assert_eq!(chunk.tally(), Tally { created: 2, updated: 1, failed: 2 });
        assert_eq!(chunk.next_row(), 46);
        assert_eq!(chunk.packed.len(), 2);
    }
}
