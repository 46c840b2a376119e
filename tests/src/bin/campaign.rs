//! `./tests/campaign`: rounds of [`rollcall_tests::campaign`] as a command.

use std::time::{Duration, Instant};

use clap::Parser;
use rollcall_tests::campaign::{Plan, round};

/// Injects faults into everything around Rollcall while schools send rosters, and checks the results
///
/// On private servers, 30 tenants send 300 rosters while the API, the workers, RabbitMQ, Postgres and its sessions are
/// killed, frozen and restarted at random, each server every 1 to 6 s. In the end every accepted import must have exactly
/// one result, which is the oracle's, none may be abandoned, every table must match the oracle, and no lease, lock, message
/// or incomplete upload may remain.
///
/// The seed determines the faults and the files, but not the timing, so it may take several runs to reproduce a
/// failure.
#[derive(Debug, Parser)]
#[command(
    name = "./tests/campaign",
    bin_name = "./tests/campaign",
    max_term_width = 110,
    after_help = "Exit status: 0 if every check passed, 101 if one failed (the seed is printed), 2 for an invalid command line."
)]
struct Arguments {
    /// The seed of the first round; each further round uses the next seed
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Start new rounds until M minutes have passed; 0 runs one round
    #[arg(long, default_value_t = 0, value_name = "M")]
    minutes: u64,
    /// The number of tenants
    #[arg(long, default_value_t = 30, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=1000))]
    tenants: u16,
    /// The number of rosters that each tenant sends
    #[arg(long, default_value_t = 10, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=1000))]
    files: u16,
}

#[tokio::main]
async fn main() {
    let arguments = Arguments::parse();
    let deadline = Instant::now() + Duration::from_secs(arguments.minutes * 60);
    for seed in arguments.seed.. {
        round(Plan {
            seed,
            tenants: arguments.tenants.into(),
            files: arguments.files.into(),
            pause: Duration::from_secs(6),
        })
        .await;
        if Instant::now() >= deadline {
            break;
        }
    }
}
