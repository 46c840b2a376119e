//! The benchmarks: the service as shipped against what an expert would type into psql, alternating on one durable Postgres.
//!
//! They use the service's HTTP interface and its tables, never its code, except that `passwords` hashes with the service's
//! own function as its reference. [`Benchmark`] names the benchmarks and [`run`] runs them:
//!
//! - `users`, `contested`, `memberships`, `details`, `passwords`, `latency`, `isolation`, `scale`, `tenants` and `bulk` are the
//!   benchmarks, `real` those with rosters in the shape of a district's.
//! - `service` runs an import through the service, `reference` runs the same in psql, and `comparison` compares the two
//!   under equal `conditions`.
//! - `fixture`, `sizes`, `files` and [`machine`] are what the benchmarks work on.
//! - `measured`, `units` and `report` are their results.

mod users;

mod contested;
mod memberships;

mod real;

mod details;
mod passwords;

mod latency;

mod isolation;
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
mod memory;
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
use real::first::Database;

/// Runs the named benchmarks, or all if none is named. Reports each as soon as it is done.
pub async fn run(names: &[Benchmark], sizes: Sizes, report: &mut Report) {
    let fixture = Fixture { sizes, files: Files::new() };
    let wanted = |benchmark| names.is_empty() || names.contains(&benchmark);

    if let Some(last) = users::Step::last_of(wanted) {
        report.record("create_1m, unchanged_1m, changed_1pct", users::run(&fixture, last).await);
    }
    if wanted(Benchmark::Contested) {
        report.record("contested_1pct", contested::one_percent(&fixture).await);
    }
    if wanted(Benchmark::ContestedAll) {
        report.record("contested_all", contested::all(&fixture).await);
    }
    if let Some(last) = real::nights::Step::last_of(wanted) {
        report.record("real_create_1m to real_turnover_1m", real::nights::run(&fixture, last).await);
    }
    if wanted(Benchmark::RealGroups) {
        report.record("real_groups_1m", real::memberships::run(&fixture).await);
    }
    if wanted(Benchmark::RealPasswords) {
        report.record("real_passwords_100k", real::passwords::run(&fixture).await);
    }
    if wanted(Benchmark::RealTenMillion) {
        report.record("real_10m", real::ten_million::run(&fixture).await);
    }
    let [small, large] = fixture.sizes.first;
    if wanted(Benchmark::FirstSmall) {
        let lines = [
            ("first_60k_empty", Database::Empty),
            ("first_60k_beside", Database::Beside),
            ("first_60k_misjudged", Database::Misjudged),
        ];
        report.record("first_60k", real::first::run(&fixture, small, &lines).await);
    }
    if wanted(Benchmark::FirstLarge) {
        let lines = [("first_500k_empty", Database::Empty), ("first_500k_beside", Database::Beside)];
        report.record("first_500k", real::first::run(&fixture, large, &lines).await);
    }
    if wanted(Benchmark::Groups) {
        report.record("groups_1m", memberships::run(&fixture).await);
    }
    if wanted(Benchmark::Details) {
        report.record("details_1m", details::run(&fixture).await);
    }
    if wanted(Benchmark::Passwords) {
        report.record("passwords_100k", passwords::import_with_passwords(&fixture).await);
    }
    if wanted(Benchmark::Hashing) {
        report.record("hashing", passwords::hashing(&fixture).await);
    }
    if wanted(Benchmark::SmallSync) {
        report.record("small_sync", latency::small_sync(&fixture).await);
    }
    if wanted(Benchmark::Isolation) {
        report.record("isolation", isolation::run(&fixture).await);
    }
    if wanted(Benchmark::Schools) {
        let measured = tenants::run(&fixture, report).await;
        report.record("schools_500", measured);
    }
    if wanted(Benchmark::Neighbour) {
        let measured = latency::neighbour(&fixture, report).await;
        report.record("neighbour", measured);
    }
    if wanted(Benchmark::Scale) || wanted(Benchmark::Memory) {
        report.record("scale, memory", scale::run(&fixture, wanted).await);
    }
    if wanted(Benchmark::Bulk) {
        report.record("bulk_arrays_vs_copy", bulk::run(&fixture).await);
    }
}
