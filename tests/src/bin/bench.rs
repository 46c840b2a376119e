//! `./tests/bench`: the benchmarks of [`rollcall_tests::bench`] as a command.

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use rollcall_tests::bench::{self, Benchmark, Report, Sizes, machine};
use rollcall_tests::harness::start_durable_servers;

/// Measures Rollcall against what an expert would type into psql
///
/// Starts servers of its own, prints the settings of its Postgres, and a table: what ours took, what the reference
/// took, the ratio of the two, and the bound on that ratio. The same goes to target/bench.json, times in seconds and
/// memory in MiB. Progress is said on the standard error.
///
/// Ours is timed from the first byte of the POST to the last of the result, by curl. The reference is `\copy` into a
/// temporary table and one `INSERT … SELECT … ON CONFLICT DO UPDATE` by psql, into a table of the same columns, keys
/// and indexes on the same Postgres. Both are run in turn, more than once, on fresh tables and after a checkpoint;
/// the figures are medians. Where there is nothing to compare with, the reference is the limit itself.
#[derive(Debug, Parser)]
#[command(
    name = "./tests/bench",
    bin_name = "./tests/bench",
    max_term_width = 110,
    after_help = "\
Exit status: 0 measured and within every bound, 1 a bound missed or an answer wrong, 2 a wrong command line.
With --quick no bound is judged, only the answers."
)]
struct Arguments {
    /// Fewer rows and rounds, to see that everything still runs: its times say nothing and are not judged
    #[arg(long)]
    quick: bool,
    /// What to measure; everything unless told
    #[arg(value_enum, value_name = "NAME")]
    names: Vec<Benchmark>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let sizes = if arguments.quick { Sizes::quick() } else { Sizes::full() };
    let mut report = Report::new(Path::new("target/bench.json"), !arguments.quick);
    start_durable_servers();
    println!("{}\n", machine::settings().await);
    bench::run(&arguments.names, sizes, &mut report).await;
    report.finish()
}
