//! The benchmarks: the service as it is shipped against what an expert would type into psql, on the same durable
//! Postgres, in turn.
//!
//! They know the service by its HTTP and by its tables, never by its code. The map, in reading order: [`Benchmark`] names
//! them and [`run`] runs them; `users`, `contested`, `memberships`, `details`, `passwords`, `latency`, `fleet`, `growth`
//! and `bulk` hold them; `service` is our side and `reference` the other; `comparison` is how the two are compared under
//! equal `conditions`; `sizes`, `rosters` and [`machine`] are what they work on, `report` what comes of it.

mod users;

mod contested;
mod memberships;

mod details;
mod passwords;

mod latency;

mod scale;
mod tenants;

mod bulk;

mod reference;
mod service;

mod comparison;
mod conditions;

mod files;
mod fixture;
pub mod machine;
mod sizes;
mod units;

mod benchmark;
mod measured;
mod report;

pub use benchmark::Benchmark;
pub use report::Report;
pub use sizes::Sizes;

use files::Files;
use fixture::Fixture;

/// Runs those benchmarks, or all where none is named, each reported when it is done.
pub async fn run(names: &[Benchmark], sizes: Sizes, report: &mut Report) {
    let fixture = Fixture { sizes, files: Files::new() };
    let wanted = |benchmark| names.is_empty() || names.contains(&benchmark);

    if let Some(last) = users::Step::last_of(wanted) {
        report.take("create_1m, unchanged_1m, changed_1pct", users::run(&fixture, last).await);
    }
    if wanted(Benchmark::Contested) {
        report.take("contested_1pct", contested::one_percent(&fixture).await);
    }
    if wanted(Benchmark::ContestedAll) {
        report.take("contested_all", contested::all(&fixture).await);
    }
    if wanted(Benchmark::Groups) {
        report.take("groups_1m", memberships::run(&fixture).await);
    }
    if wanted(Benchmark::Details) {
        report.take("details_1m", details::run(&fixture).await);
    }
    if wanted(Benchmark::Passwords) {
        report.take("passwords_100k", passwords::import_with_passwords(&fixture).await);
    }
    if wanted(Benchmark::Hashing) {
        report.take("hashing", passwords::hashing(&fixture).await);
    }
    if wanted(Benchmark::SmallSync) {
        report.take("small_sync", latency::small_sync(&fixture).await);
    }
    if wanted(Benchmark::Schools) {
        let measured = tenants::run(&fixture, report).await;
        report.take("schools_500", measured);
    }
    if wanted(Benchmark::Neighbour) {
        let measured = latency::neighbour(&fixture, report).await;
        report.take("neighbour", measured);
    }
    if wanted(Benchmark::Scale) || wanted(Benchmark::Memory) {
        report.take("scale, memory", scale::run(&fixture, wanted).await);
    }
    if wanted(Benchmark::Bulk) {
        report.take("bulk_arrays_vs_copy", bulk::run(&fixture).await);
    }
}
