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

mod fleet;
mod growth;

mod bulk;

mod reference;
mod service;

mod comparison;
mod conditions;

pub mod machine;
mod rosters;
mod sizes;

mod report;

use clap::ValueEnum;

pub use report::Report;
pub use sizes::Sizes;

use rosters::Rosters;

/// What can be measured, by the name it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Benchmark {
    /// A million new users
    #[value(name = "create_1m")]
    Create,
    /// The same file again
    #[value(name = "unchanged_1m")]
    Unchanged,
    /// Again, with one row in a hundred changed
    #[value(name = "changed_1pct")]
    Changed,
    /// A million new users, one row in a hundred contested, against none
    #[value(name = "contested_1pct")]
    Contested,
    /// Every row contested: what a row costs among 200,000, against 100,000
    #[value(name = "contested_all")]
    ContestedAll,
    /// A million memberships
    #[value(name = "groups_1m")]
    Groups,
    /// A GET of a million details, against three seconds
    #[value(name = "details_1m")]
    Details,
    /// 100,000 new users with passwords, to the result, against none with
    #[value(name = "passwords_100k")]
    Passwords,
    /// The queue behind them, against as many single threads as there are cores
    #[value(name = "hashing")]
    Hashing,
    /// 100 new users, 200 times: p50 against the bare transaction, p99 against p50
    #[value(name = "small_sync")]
    SmallSync,
    /// 500 tenants post 500 new users each at once, against the rows per second of `create_1m`
    #[value(name = "schools_500")]
    Schools,
    /// A tenant's 100 new users while another's million is imported, against `small_sync`
    #[value(name = "neighbour")]
    Neighbour,
    /// What a row costs among 10,000, 100,000, a million and five, against the cheapest
    #[value(name = "scale")]
    Scale,
    /// Peak resident memory at five million rows, against the limits
    #[value(name = "memory")]
    Memory,
    /// Arrays through `unnest` against COPY, in SQL alone
    #[value(name = "bulk_arrays_vs_copy")]
    Bulk,
}

/// What every benchmark is given.
struct Bench {
    sizes: Sizes,
    rosters: Rosters,
}

/// Runs those benchmarks, or all where none is named, each reported when it is done.
pub async fn run(names: &[Benchmark], sizes: Sizes, report: &mut Report) {
    let bench = Bench { sizes, rosters: Rosters::new() };
    let wanted = |benchmark| names.is_empty() || names.contains(&benchmark);

    if let Some(last) = users::Step::last_of(wanted) {
        report.take("create_1m, unchanged_1m, changed_1pct", users::run(&bench, last).await);
    }
    if wanted(Benchmark::Contested) {
        report.take("contested_1pct", contested::one_percent(&bench).await);
    }
    if wanted(Benchmark::ContestedAll) {
        report.take("contested_all", contested::all(&bench).await);
    }
    if wanted(Benchmark::Groups) {
        report.take("groups_1m", memberships::run(&bench).await);
    }
    if wanted(Benchmark::Details) {
        report.take("details_1m", details::run(&bench).await);
    }
    if wanted(Benchmark::Passwords) {
        report.take("passwords_100k", passwords::import_with_passwords(&bench).await);
    }
    if wanted(Benchmark::Hashing) {
        report.take("hashing", passwords::hashing(&bench).await);
    }
    if wanted(Benchmark::SmallSync) {
        report.take("small_sync", latency::small_sync(&bench).await);
    }
    if wanted(Benchmark::Schools) {
        let measured = fleet::run(&bench, report).await;
        report.take("schools_500", measured);
    }
    if wanted(Benchmark::Neighbour) {
        let measured = latency::neighbour(&bench, report).await;
        report.take("neighbour", measured);
    }
    if wanted(Benchmark::Scale) || wanted(Benchmark::Memory) {
        report.take("scale, memory", growth::run(&bench, wanted).await);
    }
    if wanted(Benchmark::Bulk) {
        report.take("bulk_arrays_vs_copy", bulk::run(&bench).await);
    }
}

/// What a benchmark comes to.
type Measured<T> = Result<T, Failure>;

/// Why something could not be measured: an answer that is not the right one, or a reference that did not run.
#[derive(Debug)]
struct Failure(String);
