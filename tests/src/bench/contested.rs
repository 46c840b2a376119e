//! Rows that contest usernames and barcodes: their cost compared with uncontested rows.

use std::path::PathBuf;

use super::comparison::Comparison;
use super::fixture::Fixture;
use super::measured::Measured;
use super::report::{Bound, Line};
use super::service::import;
use super::units::micros_per_row;
use crate::harness::{Stack, result};
use crate::oracle::Endpoint;
use crate::rosters::large::{Contest, RosterOptions, Share};

/// New users with one contested row in a hundred, against as many new users without contested rows.
pub async fn one_percent(fixture: &Fixture) -> Measured<Vec<Line>> {
    let plain = Roster::write(fixture, "users", fixture.sizes.large, Share::None);
    let contested = Roster::write(fixture, "contested", fixture.sizes.large, Share::Every(100));
    let mut comparison = Comparison::new("contested_1pct", "s");
    for _ in 0..fixture.sizes.rounds {
        let (ours, reference) = (Stack::new().await, Stack::new().await);
        comparison
            .round(async || contested.import(&ours).await, async || plain.import(&reference).await)
            .await?;
    }
    Ok(vec![comparison.line(Some(Bound::AtMost(1.2)))])
}

/// With every row contested, twice the rows must take about twice the time. Compares the time per row of a roster of twice
/// the medium size with that of the medium size.
pub async fn all(fixture: &Fixture) -> Measured<Vec<Line>> {
    let rows = fixture.sizes.medium;
    let one = Roster::write(fixture, "contested-all", rows, Share::All);
    let two = Roster::write(fixture, "contested-all", 2 * rows, Share::All);
    let mut comparison = Comparison::new("contested_all", "µs/row");
    for _ in 0..fixture.sizes.rounds {
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

/// A file of new users and its expected result.
struct Roster {
    file: PathBuf,
    expected: String,
}

impl Roster {
    fn write(fixture: &Fixture, name: &str, rows: u64, contested: Share) -> Self {
        let options = RosterOptions { contested, contest: Contest::Everything, ..RosterOptions::default() };
        let outcomes: Vec<_> = (0..rows).map(|index| options.outcome(index)).collect();
        Self { file: fixture.files.users(name, rows, &options), expected: result(&outcomes) }
    }

    async fn import(&self, stack: &Stack) -> Measured<f64> {
        import(stack, Endpoint::Users, &self.file, &self.expected).await
    }
}
