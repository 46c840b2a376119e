//! No worker's clock decides what is deleted: ages are those of the upload store's clock and the database's. An upload that
//! is still being written, or whose import has not finished, is never deleted.

use std::fmt::Write as _;
use std::path::PathBuf;

use rollcall_tests::harness::{Options, RawConnection, Row, Stack, eventually, result, upload_head};

/// What shifts a process's clock. Its monotonic clock runs on, and so does the kernel's, which dates files.
fn clock_ahead_by_two_hours() -> Vec<(&'static str, String)> {
    let library = std::fs::read_dir("/usr/lib")
        .unwrap()
        .flatten()
        .map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"))
        .find(|library: &PathBuf| library.exists())
        .expect("libfaketime is installed (deploy/install-missing --tests)");
    vec![
        ("LD_PRELOAD", library.display().to_string()),
        ("FAKETIME", "+2h".to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ("NO_FAKE_STAT", "1".to_owned()),
    ]
}

/// A stack whose only worker's clock is two hours ahead. Its janitor sweeps all the time, and deletes what is an hour old.
async fn stack_with_fast_clock() -> Stack {
    let mut options = Options::default()
        .worker_env("ROLLCALL_JANITOR_INTERVAL_SECONDS", 0.02)
        .worker_env("ROLLCALL_LOG", "json");
    for (name, value) in clock_ahead_by_two_hours() {
        options = options.worker_env(name, value);
    }
    options.start().await
}

fn file(users: usize, prefix: &str) -> String {
    let mut file = "username,enabled,staffmember,surname\n".to_owned();
    for user in 0..users {
        writeln!(file, "{prefix}{user},y,y,{}", "x".repeat(200)).unwrap();
    }
    file
}

#[tokio::test]
async fn worker_whose_clock_is_ahead_deletes_no_upload_under_way() {
    let stack = stack_with_fast_clock().await;
    let log = async || {
        let log = std::fs::read_to_string(stack.uploads().with_file_name("rollcall-worker.log"));
        log.unwrap_or_default().lines().next().map(str::to_owned)
    };
    let first = eventually("the worker logs", log).await;
    let logged: serde_json::Value = serde_json::from_str(&first).unwrap_or_default();
    let ahead =
        chrono::DateTime::parse_from_rfc3339(logged["timestamp"].as_str().unwrap_or_default()).unwrap();
    let ahead = ahead.with_timezone(&chrono::Utc) - chrono::Utc::now();
    assert!(ahead > chrono::TimeDelta::minutes(100), "the worker's clock is ahead: {first}");

    // An upload of several parts that pauses while the janitor sweeps: its incomplete file stays.
    let body = file(4_000, "slow");
    let (start, end) =
        ("--XX\r\nContent-Disposition: form-data; name=file; filename=f\r\n\r\n", "\r\n--XX--\r\n");
    let mut slow = RawConnection::open(&stack).await;
    let length = start.len() + body.len() + end.len();
    let head = upload_head("/api/import/users", "multipart/form-data; boundary=XX");
    slow.send(format!("{head}Content-Length: {length}\r\n\r\n{start}")).await;
    let (begun, rest) = body.split_at(700_000);
    slow.send(begun).await;
    eventually("the upload has an incomplete file", async || {
        (!stack.stored_files().is_empty()).then_some(())
    })
    .await;
    // Meanwhile small ones are stored, submitted and imported.
    let mut imported = 0;
    for round in 0..25 {
        stack.post_users(file(1, &format!("r{round}-"))).await.is(200, &result(&[Row::Created]));
        imported += 1;
    }
    assert!(
        stack.stored_files().iter().any(|file| file.to_string_lossy().contains('#')),
        "it is still there"
    );
    slow.send(rest).await;
    slow.send(end).await;
    let answer = slow.answer().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    println!(
        "{} uploads accepted while the janitor swept every 20 ms with a clock {ahead} ahead: 0 lost",
        imported + 1
    );
    assert_eq!(stack.stored_files().len(), imported + 1);
}
