//! The outcomes of the rows, packed and stored chunk by chunk.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::lease::Lease;
use super::model::{signed, unsigned};
use super::tally::{Outcome, Tally};
use crate::ids::{ImportId, TenantId};
use crate::postgres::client::Session;
use crate::postgres::pool::Connection;
use crate::postgres::tables::chunk_outcomes;

/// The statement of [`store_in_txn`], to be [prepared](Session::prepare) when it is pipelined.
pub const STORE_OUTCOMES: &str = include_str!("sql/store_outcomes.sql");

pub(crate) const STATEMENTS: &[(&str, &str)] = &[("store_outcomes", STORE_OUTCOMES)];

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
    /// Empty. The first outcome will be that of row `first_row`, counted from 1.
    pub fn starting_at(first_row: u64) -> Self {
        Self { first_row, rows: 0, packed: Vec::new(), problems: Vec::new(), tally: Tally::default() }
    }

    /// Adds the next row: its outcome, or the text of its problems if it failed.
    pub fn push(&mut self, outcome: Result<Outcome, String>) {
        let outcome = outcome.unwrap_or_else(|problems| {
            self.problems.push(problems);
            Outcome::Failed
        });
        let shift = (self.rows % 4) * 2;
        if shift == 0 {
            self.packed.push(0);
        }
        if let Some(last) = self.packed.last_mut() {
            *last |= outcome.bits() << shift;
        }
        self.rows += 1;
        self.tally += outcome;
    }

    pub fn tally(&self) -> Tally {
        self.tally
    }

    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The number of the row after the last.
    pub fn next_row(&self) -> u64 {
        self.first_row + u64::from(self.rows)
    }

    /// Each row's number with its outcome, or with the text of its problems if it failed.
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

/// Stores a chunk's outcomes in the chunk's transaction.
pub async fn store_in_txn(
    txn: &Session,
    lease: &Lease,
    chunk: &ChunkOutcomes,
) -> Result<(), tokio_postgres::Error> {
    if chunk.is_empty() {
        return Ok(());
    }
    txn.execute(
        STORE_OUTCOMES,
        &[
            &lease.tenant,
            &lease.import,
            &signed(chunk.first_row),
            &i32::try_from(chunk.rows).unwrap_or(i32::MAX),
            &chunk.packed,
            &chunk.problems,
        ],
    )
    .await?;
    Ok(())
}

/// The first stored chunk that begins at `first_row` or later. One chunk at a time, so that reading an import of ten million
/// rows takes the memory of some thousand.
pub async fn load(
    conn: &mut Connection,
    tenant: TenantId,
    import: ImportId,
    first_row: u64,
) -> QueryResult<Option<ChunkOutcomes>> {
    let row: Option<(i64, i32, Vec<u8>, Vec<String>)> = chunk_outcomes::table
        .filter(chunk_outcomes::tenant_id.eq(tenant))
        .filter(chunk_outcomes::import_id.eq(import))
        .filter(chunk_outcomes::first_row.ge(signed(first_row)))
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
            first_row: unsigned(first_row),
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
