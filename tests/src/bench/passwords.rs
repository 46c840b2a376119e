//! Passwords: what they cost an import, and how fast the queue behind it hashes them.

use std::time::{Duration, Instant};

use rollcall_schema::password;

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

/// New users with a password each, to the result, against as many without. The queue hashes meanwhile, as it would. What
/// it has not hashed by then goes with its stack: no round hashes the passwords of another.
pub async fn import_with_passwords(fixture: &Fixture) -> Measured<Vec<Line>> {
    let rows = fixture.sizes.middling;
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

/// Hashes per second of a worker with a hashing thread for each core, against one thread times the cores.
pub async fn hashing(fixture: &Fixture) -> Measured<Vec<Line>> {
    let hashes = fixture.sizes.hashes;
    // Some more, so that neither the start nor the end of the queue is watched.
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
        drained(&stack).await?;
    }
    Ok(vec![comparison.line(Some(Bound::AtLeast(0.9)))])
}

/// How often the queue is watched: fewer than elsewhere, for each takes a minute.
const ROUNDS: usize = 2;
/// How long a password may take to be hashed, many times over.
const PATIENCE: Duration = Duration::from_mins(10);
/// Between two looks at the queue: rare beside the hashes, and exact enough.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// The queue's rate while it hashes about `hashes` passwords, with half of `margin` before and behind.
async fn queue_rate(stack: &Stack, hashes: u64, margin: u64) -> Measured<f64> {
    let (begun, first) = at_most(stack, hashes + margin / 2).await?;
    let (ended, last) = at_most(stack, margin / 2).await?;
    if first <= last {
        return Err(Failure(format!("{hashes} passwords were hashed before anybody looked")));
    }
    Ok(per_second(first - last, (ended - begun).as_secs_f64()))
}

/// Waits until no password waits.
async fn drained(stack: &Stack) -> Result<(), Failure> {
    at_most(stack, 0).await.map(|_| ())
}

/// Waits until no more than so many passwords wait; when that was, and how many they were.
async fn at_most(stack: &Stack, most: u64) -> Measured<(Instant, u64)> {
    let given_up = Instant::now() + PATIENCE;
    while Instant::now() < given_up {
        let row = stack.row("select count(*) as waiting from users where password_sealed is not null").await;
        let waiting = row["waiting"].as_u64().expect("a count is a number");
        if waiting <= most {
            return Ok((Instant::now(), waiting));
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
    Err(Failure(format!("more than {most} passwords wait to be hashed after {PATIENCE:?}{}", stack.logs())))
}

/// Hashes per second of one thread that does nothing else.
async fn thread_rate(hashes: u64) -> f64 {
    let hash_all = move || {
        let begun = Instant::now();
        for number in 0..hashes {
            password::hash(format!("pw-{number}").as_bytes());
        }
        per_second(hashes, begun.elapsed().as_secs_f64())
    };
    tokio::task::spawn_blocking(hash_all).await.expect("hashing does not panic")
}
