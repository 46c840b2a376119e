//! `./tests/campaign`: rounds of [`rollcall_tests::campaign`] as a command.

use std::time::{Duration, Instant};

use clap::Parser;
use rollcall_tests::campaign::{Plan, round};

/// Breaks everything around Rollcall while schools send their rosters, and looks at what came of it
///
/// On servers of its own, 30 tenants send 300 rosters while API, workers, RabbitMQ and Postgres are killed, frozen and
/// restarted at random. In the end every accepted import must have exactly one result, every table must be what the
/// oracle says, and no lease, lock, message or half upload may be left over.
///
/// What breaks, and what is in the files, follows from the seed; when it does, from the machine, so that a failure
/// may take some tries to come again.
#[derive(Debug, Parser)]
#[command(
    name = "./tests/campaign",
    bin_name = "./tests/campaign",
    max_term_width = 110,
    after_help = "Exit status: 0 every promise was kept, 101 one was broken (the seed is said), 2 a wrong command line."
)]
struct Arguments {
    /// The seed of the first round; the next round has the next seed
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Begin rounds until so many minutes have passed; one round unless told
    #[arg(long, default_value_t = 0, value_name = "M")]
    minutes: u64,
    /// Tenants
    #[arg(long, default_value_t = 30, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=1000))]
    tenants: u16,
    /// Rosters that each tenant sends
    #[arg(long, default_value_t = 10, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=1000))]
    files: u16,
}

#[tokio::main]
async fn main() {
    let arguments = Arguments::parse();
    let end = Instant::now() + Duration::from_secs(arguments.minutes * 60);
    for seed in arguments.seed.. {
        round(Plan {
            seed,
            tenants: arguments.tenants.into(),
            files: arguments.files.into(),
            pause: Duration::from_secs(6),
        })
        .await;
        if Instant::now() >= end {
            break;
        }
    }
}
