//! What passwords cost in the import of a district's users.

use crate::bench::comparison::Comparison;
use crate::bench::fixture::Fixture;
use crate::bench::measured::Measured;
use crate::bench::report::{Bound, Line};
use crate::bench::service::import;
use crate::harness::Stack;
use crate::oracle::Endpoint;
use crate::rosters::real::RealRoster;

/// New users with a password each, until the result, against the same users without. The queue hashes during the import, as
/// in production. Each import has a stack of its own, so no round hashes the passwords of another.
pub async fn run(fixture: &Fixture) -> Measured<Vec<Line>> {
    let plain = RealRoster::first(fixture.sizes.medium);
    let with_passwords = fixture.files.real(&RealRoster { passwords: true, ..plain });
    let plain = fixture.files.real(&plain);
    let mut comparison = Comparison::new("real_passwords_100k", "s").unsettled();
    for _ in 0..fixture.sizes.rounds {
        let [ours, reference] = [&with_passwords, &plain].map(|file| {
            async || import(&Stack::new().await, Endpoint::Users, &file.path, &file.expected).await
        });
        comparison.round(ours, reference).await?;
    }
    Ok(vec![comparison.line(Some(Bound::AtMost(1.25)))])
}
