//! The outcomes of the rows, packed and stored chunk by chunk.

use super::lease::Lease;
use super::model::signed;
use super::tally::{Outcome, Tally};
use crate::postgres::client::Session;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_packed_in_order() {
        let mut chunk = ChunkOutcomes::starting_at(41);
        let pushed = [
            Ok(Outcome::Created),
            Err("one ".to_owned()),
            Ok(Outcome::Updated),
            Ok(Outcome::Created),
            Err("two ".to_owned()),
        ];
        for outcome in pushed {
            chunk.push(outcome);
        }
        // Two bits for each row, the first in the lowest.
        assert_eq!(chunk.packed, [0b00_01_10_00, 0b10]);
        assert_eq!(chunk.problems, ["one ", "two "]);
        assert_eq!(chunk.tally(), Tally { created: 2, updated: 1, failed: 2 });
        assert_eq!(chunk.next_row(), 46);
    }
}
