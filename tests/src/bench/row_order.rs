//! A school's first file in its own order: what Postgres believes about its tables must not matter.

use std::path::PathBuf;

use super::comparison::Comparison;
use super::fixture::Fixture;
use super::measured::Measured;
use super::report::{Bound, Line};
use super::service::{all, import, import_as};
use crate::harness::{Row, Stack};
use crate::oracle::Endpoint;
use crate::rosters::large::RosterOptions;

/// What Postgres believes about the table of users when the first file arrives.
#[derive(Debug, Clone, Copy)]
enum Statistics {
    /// Nothing: the table was never analysed.
    Missing,
    /// The truth: it holds as many users of another tenant.
    Fresh,
    /// That it holds one user: it was analysed when the administrator was its only one.
    Wrong,
}

impl Statistics {
    const ALL: [Self; 3] = [Self::Missing, Self::Fresh, Self::Wrong];

    fn name(self) -> &'static str {
        match self {
            Self::Missing => "first_random_missing",
            Self::Fresh => "first_random_fresh",
            Self::Wrong => "first_random_wrong",
        }
    }

    /// Prepares a stack's tables, and has nothing analyse them during the measurement.
    async fn prepare(self, stack: &Stack, sorted: &Roster) -> Measured<()> {
        stack.execute("alter table users set (autovacuum_enabled = off)").await;
        match self {
            Self::Missing => {}
            Self::Fresh => {
                let other = stack.add_tenant("other").await;
                import_as(stack, &other, Endpoint::Users, &sorted.file, &sorted.expected).await?;
                stack.execute("analyze users").await;
            }
            Self::Wrong => stack.execute("analyze users").await,
        }
        Ok(())
    }
}

/// Compares the rows in random order with the same rows sorted by username.
pub async fn run(fixture: &Fixture) -> Measured<Vec<Line>> {
    let rows = fixture.sizes.first;
    let options = RosterOptions::default();
    let expected = all(rows, Row::Created);
    let sorted = Roster { file: fixture.files.users("users", rows, &options), expected: expected.clone() };
    let random = Roster { file: fixture.files.users_in_random_order("users", rows, &options), expected };
    let mut lines = Vec::new();
    for statistics in Statistics::ALL {
        let mut comparison = Comparison::new(statistics.name(), "s");
        for _ in 0..fixture.sizes.rounds {
            comparison
                .round(
                    async || random.import_first(statistics, &sorted).await,
                    async || sorted.import_first(statistics, &sorted).await,
                )
                .await?;
        }
        lines.push(comparison.line(Some(Bound::AtMost(2.0))));
    }
    Ok(lines)
}

/// A file of new users and its expected result.
struct Roster {
    file: PathBuf,
    expected: String,
}

impl Roster {
    /// Imports the file as the first of its tenant. Returns the seconds of that alone.
    async fn import_first(&self, statistics: Statistics, sorted: &Self) -> Measured<f64> {
        let stack = Stack::new().await;
        statistics.prepare(&stack, sorted).await?;
        import(&stack, Endpoint::Users, &self.file, &self.expected).await
    }
}
