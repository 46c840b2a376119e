//! `./tests/memory`: the peak memory of the API and the worker during large imports.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use rollcall_tests::harness::{ADMINISTRATOR, CurlOutput, PASSWORD, Stack, curl, rss_kib};
use rollcall_tests::rosters::large::{RosterOptions, Share, write_roster};

/// The limit on the API's peak memory.
const API_LIMIT_MIB: u64 = 64;
/// The limit on the worker's peak memory.
const WORKER_LIMIT_MIB: u64 = 256;

/// Shows the peak memory of the API and the worker during large imports
///
/// Posts three files with curl and prints the peak resident memory of each process after each: all rows new; the same
/// file again, unchanged; and with one bad row, so that the answer contains the full details.
#[derive(Debug, Parser)]
#[command(
    name = "./tests/memory",
    bin_name = "./tests/memory",
    max_term_width = 110,
    after_help = "\
Exit status: 0 if both limits are met, 1 if a limit is exceeded or an answer is wrong, 2 for an invalid command line."
)]
struct Arguments {
    /// The number of rows of each file
    #[arg(default_value_t = 1_000_000, value_name = "ROWS", value_parser = clap::value_parser!(u64).range(1..))]
    rows: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { rows } = Arguments::parse();
    let stack = Stack::new().await;
    let folder = tempfile::tempdir().expect("a temporary folder can be created");
    let good = folder.path().join("good.csv");
    let bad = folder.path().join("bad.csv");
    write(&good, rows, &RosterOptions::default());
    write(&bad, rows, &RosterOptions { bad: Share::At(rows / 2), ..RosterOptions::default() });

    let measurement = Measurement { stack: &stack, rows };
    println!(
        "{:<28}{:>10}{:>14}{:>16}{:>10}",
        "import", "seconds", "api peak MiB", "worker peak MiB", "answer"
    );
    let mut passed = true;
    let summary = |created, updated, failed| {
        let users = |count| if count == 1 { "1 user".to_owned() } else { format!("{count} users") };
        format!(
            "{} processed. {} created. {} updated. {} failed.",
            users(rows),
            users(created),
            users(updated),
            users(failed)
        )
    };
    let success = |summary: String| format!(r#"{{"success":true,"summary":"{summary}"}}"#);
    passed &= measurement.import("all new", &good, |body| body == success(summary(rows, 0, 0))).await;
    passed &= measurement.import("unchanged", &good, |body| body == success(summary(0, rows, 0))).await;
    passed &= measurement
        .import("one bad row, full details", &bad, |body| {
            let start =
                format!(r#"{{"success":false,"summary":"{}","details":{{"1":"#, summary(0, rows - 1, 1));
            body.starts_with(&start)
                && body.ends_with("\"}}")
                && body.matches("\":\"").count() as u64 == rows + 1
        })
        .await;
    if passed {
        println!("within {API_LIMIT_MIB} MiB and {WORKER_LIMIT_MIB} MiB");
        ExitCode::SUCCESS
    } else {
        println!(
            "NOT within {API_LIMIT_MIB} MiB and {WORKER_LIMIT_MIB} MiB, or a wrong answer\n{}",
            stack.logs()
        );
        ExitCode::FAILURE
    }
}

fn write(path: &Path, rows: u64, options: &RosterOptions) {
    let mut file = BufWriter::new(File::create(path).expect("a file can be created in the temporary folder"));
    write_roster(&mut file, rows, options).expect("the disk has room for the roster");
    file.flush().expect("the disk has room for the roster");
}

struct Measurement<'a> {
    stack: &'a Stack,
    rows: u64,
}

impl Measurement<'_> {
    /// Posts a file and prints a line. Returns whether the limits were met and the answer is right.
    async fn import(&self, name: &str, file: &Path, is_right: impl Fn(&str) -> bool) -> bool {
        let started = Instant::now();
        let answer = self.post(file).await;
        let seconds = started.elapsed().as_secs_f64();
        let right = answer.status == 200 && is_right(answer.body.trim_start_matches(' '));
        let mib = |process| rss_kib(process).1.div_ceil(1024);
        let api = mib(self.stack.api_id());
        let worker = self.stack.worker_ids().into_iter().map(mib).max().unwrap_or(0);
        println!(
            "{name:<28}{seconds:>10.1}{api:>14}{worker:>16}{:>10}",
            if right { "right" } else { "WRONG" }
        );
        if !right {
            let start: String = answer.body.chars().take(300).collect();
            eprintln!("{} rows: status {}, {start} {}", self.rows, answer.status, answer.error);
        }
        right && api <= API_LIMIT_MIB && worker <= WORKER_LIMIT_MIB
    }

    async fn post(&self, file: &Path) -> CurlOutput {
        curl([
            "--user".to_owned(),
            format!("{ADMINISTRATOR}:{PASSWORD}"),
            "--form".to_owned(),
            format!("file=@{}", file.display()),
            format!("{}/api/import/users", self.stack.url),
        ])
        .await
    }
}
