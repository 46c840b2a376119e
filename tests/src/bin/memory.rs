//! Shows how much memory the API and the worker take while a large roster goes through one plain POST.
//!
//! `./tests/memory [ROWS]`: three imports of that many rows (a million unless told) by curl, with the peak of each
//! process's resident memory after each: all rows new; the same again, unchanged; again with one bad row, so that the
//! answer is the full `details`. Ends with 1 where a limit was passed or an answer was wrong.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use rollcall_tests::harness::{ADMINISTRATOR, CurlOutput, PASSWORD, Stack, curl, rss_kib};
use rollcall_tests::rosters::large::{RosterOptions, Share, write_roster};

/// What the API may take at its peak, in MiB.
const API_LIMIT: u64 = 64;
/// What the worker may take at its peak, in MiB.
const WORKER_LIMIT: u64 = 256;

#[tokio::main]
async fn main() -> ExitCode {
    let rows = match std::env::args().nth(1).map(|rows| rows.parse::<u64>()) {
        None => 1_000_000,
        Some(Ok(rows)) if rows > 0 => rows,
        Some(_) => {
            eprintln!("usage: ./tests/memory [ROWS]");
            return ExitCode::from(2);
        }
    };
    let stack = Stack::new().await;
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let good = folder.path().join("good.csv");
    let bad = folder.path().join("bad.csv");
    write(&good, rows, &RosterOptions::default());
    write(&bad, rows, &RosterOptions { bad: Share::At(rows / 2), ..RosterOptions::default() });

    let report = Report { stack: &stack, rows };
    println!(
        "{:<28}{:>10}{:>14}{:>16}{:>10}",
        "import", "seconds", "api peak MiB", "worker peak MiB", "answer"
    );
    let mut fits = true;
    let sentence = |created, updated, failed| {
        let users = |count| if count == 1 { "1 user".to_owned() } else { format!("{count} users") };
        format!(
            "{} processed. {} created. {} updated. {} failed.",
            users(rows),
            users(created),
            users(updated),
            users(failed)
        )
    };
    let whole = |summary: String| format!(r#"{{"success":true,"summary":"{summary}"}}"#);
    fits &= report.import("all new", &good, |body| body == whole(sentence(rows, 0, 0))).await;
    fits &= report.import("unchanged", &good, |body| body == whole(sentence(0, rows, 0))).await;
    fits &= report
        .import("one bad row, full details", &bad, |body| {
            let head =
                format!(r#"{{"success":false,"summary":"{}","details":{{"1":"#, sentence(0, rows - 1, 1));
            body.starts_with(&head)
                && body.ends_with("\"}}")
                && body.matches("\":\"").count() as u64 == rows + 1
        })
        .await;
    if fits {
        println!("within {API_LIMIT} MiB and {WORKER_LIMIT} MiB");
        ExitCode::SUCCESS
    } else {
        println!("NOT within {API_LIMIT} MiB and {WORKER_LIMIT} MiB, or a wrong answer\n{}", stack.logs());
        ExitCode::FAILURE
    }
}

fn write(path: &Path, rows: u64, options: &RosterOptions) {
    let mut file = BufWriter::new(File::create(path).expect("a file can be made in our own folder"));
    write_roster(&mut file, rows, options).expect("the disk has room for the roster");
    file.flush().expect("the disk has room for the roster");
}

struct Report<'a> {
    stack: &'a Stack,
    rows: u64,
}

impl Report<'_> {
    /// Posts a file and prints a line; whether the limits were kept and the answer is the right one.
    async fn import(&self, name: &str, file: &Path, is_right: impl Fn(&str) -> bool) -> bool {
        let begun = Instant::now();
        let answer = self.post(file).await;
        let seconds = begun.elapsed().as_secs_f64();
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
        right && api <= API_LIMIT && worker <= WORKER_LIMIT
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
