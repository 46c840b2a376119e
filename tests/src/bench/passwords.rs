//! Passwords: their cost in an import, and the rate at which the hashing queue hashes them.

use std::time::{Duration, Instant};

use rollcall_schema::passwords::argon2;

use super::comparison::Comparison;
use super::fixture::Fixture;
use super::machine::cores;
use super::measured::{Failure, Measured};
use super::report::{Bound, Line};
use super::service::{all, import};
use super::units::{per_second, to_f64};
use crate::harness::{Options, Row, Stack};
use crate::oracle::Endpoint;
use crate::rosters::large::{Passwords, RosterOptions};

/// New users with a password each, until the result, against as many without passwords. The queue hashes during the import,
/// as in production. Each import has a stack of its own, so no round hashes the passwords of another.
pub async fn import_with_passwords(fixture: &Fixture) -> Measured<Vec<Line>> {
    let rows = fixture.sizes.medium;
    let expected = all(rows, Row::Created);
    let plain = fixture.files.users("users", rows, &RosterOptions::default());
    let with_passwords = RosterOptions { passwords: Passwords::Unique, ..RosterOptions::default() };
    let with_passwords = fixture.files.users("passwords", rows, &with_passwords);
    let mut comparison = Comparison::new("passwords_100k", "s");
    for _ in 0..fixture.sizes.rounds {
        comparison
            .round(
                async || import(&Stack::new().await, Endpoint::Users, &with_passwords, &expected).await,
                async || import(&Stack::new().await, Endpoint::Users, &plain, &expected).await,
            )
            .await?;
    }
    Ok(vec![comparison.line(Some(Bound::AtMost(1.3)))])
}

/// Hashes per second of a worker with one hashing thread per core, against the rate of one thread times the cores.
pub async fn hashing(fixture: &Fixture) -> Measured<Vec<Line>> {
    let hashes = fixture.sizes.hashes;
    // A margin, so that the measurement excludes the start and the end of the queue.
    let rows = hashes + hashes / 5;
    let options = RosterOptions { passwords: Passwords::Unique, ..RosterOptions::default() };
    let file = fixture.files.users("passwords", rows, &options);
    let mut comparison = Comparison::new("hashing", "hashes/s");
    for _ in 0..ROUNDS {
        let stack = Options::default().worker_env("ROLLCALL_WORKER_HASHING_THREADS", cores()).start().await;
        comparison
            .round(
                async || {
                    import(&stack, Endpoint::Users, &file, &all(rows, Row::Created)).await?;
                    queue_rate(&stack, hashes, rows - hashes).await
                },
                async || Ok(thread_rate(hashes / 20).await * to_f64(cores() as u64)),
            )
            .await?;
        wait_until_empty(&stack).await?;
    }
    Ok(vec![comparison.line(Some(Bound::AtLeast(0.9)))])
}

/// Fewer rounds than in other benchmarks, because each takes a minute.
const ROUNDS: usize = 2;
/// Many times longer than the queue takes.
const QUEUE_TIMEOUT: Duration = Duration::from_mins(10);
/// Long enough not to slow the hashing down, short enough to be precise.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// The queue's rate over about `hashes` passwords. Half of `margin` is hashed before the measurement, half after it.
async fn queue_rate(stack: &Stack, hashes: u64, margin: u64) -> Measured<f64> {
    let (started, first) = wait_until_at_most(stack, hashes + margin / 2).await?;
    let (ended, last) = wait_until_at_most(stack, margin / 2).await?;
    if first <= last {
        return Err(Failure(format!("{hashes} passwords were hashed between two polls of the queue")));
    }
    Ok(per_second(first - last, (ended - started).as_secs_f64()))
}

async fn wait_until_empty(stack: &Stack) -> Result<(), Failure> {
    wait_until_at_most(stack, 0).await.map(|_| ())
}

/// Waits until at most `limit` passwords are in the queue. Returns the time and their number.
async fn wait_until_at_most(stack: &Stack, limit: u64) -> Measured<(Instant, u64)> {
    let deadline = Instant::now() + QUEUE_TIMEOUT;
    while Instant::now() < deadline {
        let row = stack.row("select count(*) as waiting from users where password_sealed is not null").await;
        let waiting = row["waiting"].as_u64().expect("a count is a number");
        if waiting <= limit {
            return Ok((Instant::now(), waiting));
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    Err(Failure(format!(
        "timed out: more than {limit} passwords wait to be hashed after {QUEUE_TIMEOUT:?}{}",
        stack.logs()
    )))
}

/// Hashes per second of a single thread.
async fn thread_rate(hashes: u64) -> f64 {
    let hash_all = move || {
        let started = Instant::now();
        for number in 0..hashes {
            argon2::hash(format!("pw-{number}").as_bytes());
        }
        per_second(hashes, started.elapsed().as_secs_f64())
    };
    tokio::task::spawn_blocking(hash_all).await.expect("hashing does not panic")
}
