//! Rows that contest usernames and barcodes: what they cost beside rows that touch nobody.

use std::path::PathBuf;

use super::comparison::Comparison;
use super::report::{Bound, Line};
use super::service::import;
use super::{Bench, Measured};
use crate::harness::{Stack, result};
use crate::oracle::Endpoint;
use crate::rosters::large::{Contest, RosterOptions, Share};

/// One row in a hundred contested, against as many rows of which none is. All users are new.
pub async fn one_percent(bench: &Bench) -> Measured<Vec<Line>> {
    let plain = Roster::write(bench, "users", bench.sizes.large, Share::None);
    let contested = Roster::write(bench, "contested", bench.sizes.large, Share::Every(100));
    let mut comparison = Comparison::new("contested_1pct", "s");
    for _ in 0..bench.sizes.rounds {
        let (ours, reference) = (Stack::new().await, Stack::new().await);
        comparison
            .round(async || contested.import(&ours).await, async || plain.import(&reference).await)
            .await?;
    }
    Ok(vec![comparison.line(Some(Bound::AtMost(1.2)))])
}

/// Every row contested: twice as many cost twice as much. Per row, of two middling rosters' rows against one's.
pub async fn all(bench: &Bench) -> Measured<Vec<Line>> {
    let rows = bench.sizes.middling;
    let one = Roster::write(bench, "quarrels", rows, Share::All);
    let two = Roster::write(bench, "quarrels", 2 * rows, Share::All);
    let mut comparison = Comparison::new("contested_all", "µs/row");
    for _ in 0..bench.sizes.rounds {
        let (ours, reference) = (Stack::new().await, Stack::new().await);
        comparison
            .round(
                async || Ok(micros_per_row(two.import(&ours).await?, 2 * rows)),
                async || Ok(micros_per_row(one.import(&reference).await?, rows)),
            )
            .await?;
    }
    Ok(vec![comparison.line(Some(Bound::AtMost(1.5)))])
}

/// What a row cost, in microseconds.
#[expect(clippy::cast_precision_loss, reason = "rows are few enough to be exact")]
pub fn micros_per_row(seconds: f64, rows: u64) -> f64 {
    seconds * 1e6 / rows as f64
}

/// A file of new users and the result that it has to have.
struct Roster {
    file: PathBuf,
    expected: String,
}

impl Roster {
    fn write(bench: &Bench, name: &str, rows: u64, contested: Share) -> Self {
        let options = RosterOptions { contested, contest: Contest::Everything, ..RosterOptions::default() };
        let outcomes: Vec<_> = (0..rows).map(|index| options.outcome(index)).collect();
        Self { file: bench.rosters.users(name, rows, &options), expected: result(&outcomes) }
    }

    async fn import(&self, stack: &Stack) -> Measured<f64> {
        import(stack, Endpoint::Users, &self.file, &self.expected).await
    }
}
