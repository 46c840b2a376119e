//! Ten million users of one district: the time per row, and the memory.

use crate::bench::fixture::Fixture;
use crate::bench::measured::Measured;
use crate::bench::memory::Peak;
use crate::bench::report::{Bound, Line};
use crate::bench::service::{import, import_as};
use crate::bench::units::micros_per_row;
use crate::harness::Stack;
use crate::oracle::Endpoint;
use crate::rosters::real::RealRoster;

use super::Neighbour;

/// Imports the users, new and again, once each. The reference is a row among a million in the same tables.
pub async fn run(fixture: &Fixture) -> Measured<Vec<Line>> {
    let neighbour = Neighbour::of(&fixture.files, fixture.sizes.large);
    let roster = fixture.files.real(&RealRoster::first(fixture.sizes.huge));
    let again = [neighbour.roster.again(), roster.again()];
    let stack = Stack::new().await;
    let (tenant, million_new) = neighbour.import(&stack).await?;
    let import_million = import_as(&stack, &tenant, Endpoint::Users, &again[0].path, &again[0].expected);
    let million_again = import_million.await?;
    let new = import(&stack, Endpoint::Users, &roster.path, &roster.expected).await?;
    eprintln!("real_10m: new in {new:.1} s");
    let unchanged = import(&stack, Endpoint::Users, &again[1].path, &again[1].expected).await?;
    eprintln!("real_10m: again in {unchanged:.1} s");
    let line = |name: &str, seconds, million| Line {
        name: name.to_owned(),
        ours: micros_per_row(seconds, fixture.sizes.huge),
        reference: micros_per_row(million, fixture.sizes.large),
        unit: "µs/row",
        bound: Some(Bound::AtMost(1.5)),
    };
    let mut lines =
        vec![line("real_10m_create", new, million_new), line("real_10m_unchanged", unchanged, million_again)];
    lines.extend(Peak::default().max(&stack).lines(["real_10m_memory_api", "real_10m_memory_worker"]));
    Ok(lines)
}
