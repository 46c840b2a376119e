//! A large roster of users: first new, then unchanged, then with one row in a hundred changed.

use super::benchmark::Benchmark;
use super::comparison::Comparison;
use super::fixture::Fixture;
use super::measured::Measured;
use super::reference::Reference;
use super::report::{Bound, Line};
use super::service::{all, import};
use crate::harness::{Row, Stack};
use crate::oracle::Endpoint;
use crate::rosters::large::{RosterOptions, Share};

/// The imports of a round. They share their tables: each starts from the state that the previous one left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    Create,
    Unchanged,
    Changed,
}

impl Step {
    const ALL: [Self; 3] = [Self::Create, Self::Unchanged, Self::Changed];

    /// The last wanted step. The steps before it have to run in any case.
    pub fn last_of(wanted: impl Fn(Benchmark) -> bool) -> Option<Self> {
        let benchmark = |step: &Self| match step {
            Self::Create => Benchmark::Create,
            Self::Unchanged => Benchmark::Unchanged,
            Self::Changed => Benchmark::Changed,
        };
        Self::ALL.into_iter().rfind(|step| wanted(benchmark(step)))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Create => "create_1m",
            Self::Unchanged => "unchanged_1m",
            Self::Changed => "changed_1pct",
        }
    }

    fn bound(self) -> Bound {
        Bound::AtMost(match self {
            Self::Create => 0.5,
            Self::Unchanged => 0.11,
            Self::Changed => 0.2,
        })
    }
}

/// Compares each step up to `last` with the reference's upsert of the same file into the same state.
pub async fn run(fixture: &Fixture, last: Step) -> Measured<Vec<Line>> {
    let rows = fixture.sizes.large;
    let new = RosterOptions { changed: Share::Every(100), ..RosterOptions::default() };
    let roster = fixture.files.users("users", rows, &new);
    let changed = fixture.files.users("changed", rows, &RosterOptions { revision: 1, ..new });

    let mut steps: Vec<(Step, Comparison)> = Step::ALL
        .into_iter()
        .filter(|step| *step <= last)
        .map(|step| (step, Comparison::new(step.name(), "s")))
        .collect();
    for _ in 0..fixture.sizes.rounds {
        let stack = Stack::new().await;
        let reference = Reference::new().await;
        for (step, comparison) in &mut steps {
            let (file, outcome) = match step {
                Step::Create => (&roster, Row::Created),
                Step::Unchanged => (&roster, Row::Updated),
                Step::Changed => (&changed, Row::Updated),
            };
            comparison
                .round(
                    async || import(&stack, Endpoint::Users, file, &all(rows, outcome)).await,
                    async || reference.upsert_users(file, rows).await,
                )
                .await?;
        }
    }
    Ok(steps.iter().map(|(step, comparison)| comparison.line(Some(step.bound()))).collect())
}
