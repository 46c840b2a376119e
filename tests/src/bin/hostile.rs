//! `./tests/hostile`: a good client among thousands of hostile ones.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use rollcall_tests::harness::{Options, rss_kib};
use rollcall_tests::hostile::good_client::quantile;
use rollcall_tests::hostile::{Attackers, GoodClient, Intensity, Target, add_large_result};

/// The limit on the API's peak memory.
const API_LIMIT_MIB: u64 = 256;
/// What a good client's imports may take, in terms of what they take without hostile ones.
const SLOWDOWN_LIMIT: f64 = 3.0;

/// Attacks the API as clients can, and measures what a good client notices
///
/// Starts a service with its default settings, measures a good client's imports of 100 new users, starts thousands of
/// hostile connections (idle ones; heads, uploads and readers that are slow without end; garbage after pipelined requests;
/// heads and bodies without end; line breaks in everything echoed), and measures again.
#[derive(Debug, Parser)]
#[command(
    name = "./tests/hostile",
    bin_name = "./tests/hostile",
    max_term_width = 110,
    after_help = "Exits with 1 if the median of the imports under attack is more than three times that without, or the API \
                  takes more than 256 MiB.\n\nExamples:\n  ./tests/hostile\n  ./tests/hostile 300"
)]
struct Arguments {
    /// How long to attack
    #[arg(default_value_t = 60)]
    seconds: u64,
    /// Idle connections
    #[arg(long, default_value_t = 5000)]
    idle: usize,
    /// Uploads that send a byte every half a second
    #[arg(long, default_value_t = 1000)]
    slow_bodies: usize,
    /// Clients that never read their result
    #[arg(long, default_value_t = 200)]
    slow_readers: usize,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let intensity = Intensity {
        idle: arguments.idle,
        slow_heads: 500,
        slow_bodies: arguments.slow_bodies,
        slow_readers: arguments.slow_readers,
        pipelined: 4,
        huge_heads: 4,
        endless_chunks: 100,
        line_breaks: 4,
    };
    let stack = Options::default().start().await;
    let hostile = stack.add_tenant("hostile").await;
    let large = add_large_result(&stack, &hostile, 30).await;
    let mut client = GoodClient::new(&stack, "school");
    client.import(20).await;
    let quiet = client.import(100).await;
    let attackers = Attackers::start(&Target::new(&stack, &hostile, &large), intensity);
    let attacked = client.import_for(Duration::from_secs(arguments.seconds)).await;
    let outcomes = attackers.outcomes();
    drop(attackers);

    let peak = rss_kib(stack.api_id()).1.div_ceil(1024);
    println!("{:<24}{:>10}{:>10}{:>10}", "", "imports", "p50", "p99");
    for (name, times) in [("alone", &quiet), ("among hostile clients", &attacked)] {
        println!(
            "{name:<24}{:>10}{:>7.1} ms{:>7.1} ms",
            times.len(),
            quantile(times, 0.5).as_secs_f64() * 1000.0,
            quantile(times, 0.99).as_secs_f64() * 1000.0
        );
    }
    println!("\n{} hostile connections; the API's memory peaks at {peak} MiB", intensity.connections());
    let mut is_right = true;
    for ((attack, outcome), count) in &outcomes {
        println!("  {attack:<20}{count:>8} × {outcome}");
        is_right &= !outcome.contains("INJECTED") && !outcome.contains("without the body");
    }
    let slowdown = quantile(&attacked, 0.5).as_secs_f64() / quantile(&quiet, 0.5).as_secs_f64();
    println!("\nlog: {} KiB; slowdown: {slowdown:.2}", stack.api_log().len() / 1024);
    if is_right && peak <= API_LIMIT_MIB && slowdown <= SLOWDOWN_LIMIT {
        ExitCode::SUCCESS
    } else {
        println!(
            "NOT within {API_LIMIT_MIB} MiB and {SLOWDOWN_LIMIT} times the time, or a wrong answer\n{}",
            stack.logs()
        );
        ExitCode::FAILURE
    }
}
