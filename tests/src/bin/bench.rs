//! `./tests/bench`: the benchmarks of [`rollcall_tests::bench`] as a command.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use rollcall_tests::bench::{self, Benchmark, Report, Sizes, machine};
use rollcall_tests::harness::start_durable_servers;

/// Measures Rollcall against what an expert would type into psql
///
/// Starts private servers, and prints the settings of their Postgres and a table of results: the figure of Rollcall
/// (ours), the figure of the reference, their ratio and the bound on that ratio. The same results are written to
/// bench.json in Cargo's target directory (`CARGO_TARGET_DIR`, else `target`), with times in seconds and memory in MiB.
/// Progress is printed on standard error.
///
/// Rollcall is timed with curl, from the first byte of the POST to the last byte of the result. The reference is
/// `\copy` into a temporary table and one `INSERT … SELECT … ON CONFLICT DO UPDATE` in psql, into a table with the same
/// columns, keys and indexes on the same Postgres. The two alternate over several rounds, on fresh tables and after a
/// checkpoint, and the figures are medians. The benchmarks `real_…` leave the tables to both sides as the day left them,
/// beside another district's users. Where there is nothing to compare with, the reference is a fixed limit.
#[derive(Debug, Parser)]
#[command(
    name = "./tests/bench",
    bin_name = "./tests/bench",
    max_term_width = 110,
    after_help = "\
Exit status: 0 if every bound is met, 1 if a bound is missed or an answer is wrong, 2 for an invalid command line.
With --quick the bounds are not checked, only the answers."
)]
struct Arguments {
    /// Use fewer rows and rounds, to check that every benchmark runs; the times mean nothing and are not checked
    #[arg(long)]
    quick: bool,
    /// How often each side of a comparison runs [default: 3]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..))]
    rounds: Option<u16>,
    /// The benchmarks to run [default: all]
    #[arg(value_enum, value_name = "NAME")]
    names: Vec<Benchmark>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut sizes = if arguments.quick { Sizes::quick() } else { Sizes::full() };
    sizes.rounds = arguments.rounds.map_or(sizes.rounds, usize::from);
    let mut report = Report::new(&target_directory().join("bench.json"), !arguments.quick);
    start_durable_servers();
    println!("{}\n", machine::settings().await);
    bench::run(&arguments.names, sizes, &mut report).await;
    report.finish()
}

/// Cargo's target directory, relative to the project's root, in which `./tests/bench` starts this program.
fn target_directory() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .filter(|directory| !directory.is_empty())
        .map_or_else(|| PathBuf::from("target"), PathBuf::from)
}
