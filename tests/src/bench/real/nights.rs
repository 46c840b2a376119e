//! A district's nights: its first roster, the same again, with one user in a hundred changed, the year's rollover, and the
//! turnover after it.

use crate::bench::benchmark::Benchmark;
use crate::bench::comparison::Comparison;
use crate::bench::files::RosterFile;
use crate::bench::fixture::Fixture;
use crate::bench::measured::Measured;
use crate::bench::reference::Reference;
use crate::bench::report::{Bound, Line};
use crate::bench::service::import;
use crate::harness::Stack;
use crate::oracle::Endpoint;
use crate::rosters::real::{Night, RealRoster};

use super::Neighbour;

/// The nights. They share their tables: each starts from the state that the previous one left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    Create,
    Unchanged,
    OnePercent,
    Rollover,
    Turnover,
}

impl Step {
    const ALL: [Self; 5] = [Self::Create, Self::Unchanged, Self::OnePercent, Self::Rollover, Self::Turnover];

    /// The last wanted night. The nights before it have to run in any case.
    pub fn last_of(wanted: impl Fn(Benchmark) -> bool) -> Option<Self> {
        let benchmark = |step: &Self| match step {
            Self::Create => Benchmark::RealCreate,
            Self::Unchanged => Benchmark::RealUnchanged,
            Self::OnePercent => Benchmark::RealOnePercent,
            Self::Rollover => Benchmark::RealRollover,
            Self::Turnover => Benchmark::RealTurnover,
        };
        Self::ALL.into_iter().rfind(|step| wanted(benchmark(step)))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Create => "real_create_1m",
            Self::Unchanged => "real_unchanged_1m",
            Self::OnePercent => "real_1pct_1m",
            Self::Rollover => "real_rollover_1m",
            Self::Turnover => "real_turnover_1m",
        }
    }

    fn bound(self) -> Bound {
        Bound::AtMost(match self {
            Self::Create => 0.65,
            Self::Unchanged => 0.15,
            Self::OnePercent => 0.2,
            Self::Rollover => 0.8,
            Self::Turnover => 0.35,
        })
    }

    fn file(self, fixture: &Fixture) -> RosterFile {
        let night = match self {
            Self::Create | Self::Unchanged => Night::First,
            Self::OnePercent => Night::OnePercent,
            Self::Rollover => Night::Rollover,
            Self::Turnover => Night::Turnover,
        };
        let file = fixture.files.real(&RealRoster { night, ..RealRoster::first(fixture.sizes.large) });
        if self == Self::Unchanged { file.again() } else { file }
    }
}

/// Compares each night up to `last` with the reference's upsert of the same file into the same state.
pub async fn run(fixture: &Fixture, last: Step) -> Measured<Vec<Line>> {
    let neighbour = Neighbour::of(&fixture.files, fixture.sizes.large);
    let mut nights: Vec<(RosterFile, Comparison, Bound)> = Step::ALL
        .into_iter()
        .filter(|step| *step <= last)
        .map(|step| (step.file(fixture), Comparison::new(step.name(), "s").unsettled(), step.bound()))
        .collect();
    for _ in 0..fixture.sizes.rounds {
        let stack = Stack::new().await;
        let reference = Reference::new().await;
        neighbour.import(&stack).await?;
        neighbour.upsert(&reference).await?;
        for (file, comparison, _) in &mut nights {
            comparison
                .round(
                    async || import(&stack, Endpoint::Users, &file.path, &file.expected).await,
                    async || reference.upsert_district(file).await,
                )
                .await?;
        }
    }
    Ok(nights.into_iter().map(|(_, comparison, bound)| comparison.line(Some(bound))).collect())
}

/// The seconds that a district's first roster takes, as the reference of another benchmark when `real_create_1m` did not run.
pub async fn create_seconds(fixture: &Fixture) -> Measured<f64> {
    let stack = Stack::new().await;
    Neighbour::of(&fixture.files, fixture.sizes.large).import(&stack).await?;
    let file = Step::Create.file(fixture);
    import(&stack, Endpoint::Users, &file.path, &file.expected).await
}
