//! A worker that dies or freezes costs its import at most the length of a lease, and other imports nothing (invariants 3, 4
//! and 6). An import that kills its workers is abandoned.

use std::time::{Duration, Instant};

use rollcall_schema::crash_point::CrashPoint;
use rollcall_tests::harness::{Options, Row, eventually, result, run_trials};
use rollcall_tests::rosters::mixed::mixed;
use rollcall_tests::tables::assert_matches_oracle;

/// A worker that is frozen past its lease finds its import finished by another when it resumes, and writes nothing more.
#[test]
fn frozen_worker_writes_nothing_after_its_lease() {
    // Before a commit it holds locks, which the server releases after half a minute.
    let points = [CrashPoint::BeforeChunkCommit, CrashPoint::AfterChunkCommit, CrashPoint::AfterClaimCommit];
    let failed = run_trials(points.len(), &points, |&point| async move {
        let mut stack = Options::fast_recovery().workers(0).start().await;
        let files = [mixed(24, "first", 0), mixed(24, "second", 0)];
        let school = stack.school().clone();
        stack.submit(&school, &files[0]).await;
        stack.start_worker_with(&[("ROLLCALL_CRASH_POINT", &format!("{}:stop:1", point.name()))]);
        stack.wait_until_worker_frozen(0).await;
        stack.start_worker();
        assert_matches_oracle(&stack, &school, &files[..1]).await;
        assert_eq!(stack.attempts(&school, 1).await, 2, "another worker took over");

        stack.worker(1).kill();
        stack.worker(0).resume();
        // It can run the next import only after it has finished what it was frozen at.
        stack.submit(&school, &files[1]).await;
        assert_matches_oracle(&stack, &school, &files).await;
        assert_eq!(stack.attempts(&school, 1).await, 2);
        stack.assert_nothing_left_over().await;
    });
    assert!(failed.is_empty(), "{failed:?}");
}

/// It resumes within the length of the lease and one sweep of the relay. The time is printed.
#[tokio::test]
async fn dead_workers_import_resumes_within_the_lease() {
    const LEASE: Duration = Duration::from_secs(2);
    const SWEEP: Duration = Duration::from_millis(500);
    /// For starting processes on a busy machine. Anything else that would resume the import takes far longer.
    const SLACK: Duration = Duration::from_secs(15);
    let mut stack = Options::fast_recovery()
        .workers(0)
        .worker_env("ROLLCALL_LEASE_SECONDS", LEASE.as_secs_f64())
        .worker_env("ROLLCALL_RELAY_INTERVAL_SECONDS", SWEEP.as_secs_f64())
        .start()
        .await;
    let file = mixed(24, "interrupted", 0);
    let school = stack.school().clone();
    stack.submit(&school, &file).await;
    stack.start_worker_with(&[(
        "ROLLCALL_CRASH_POINT",
        &format!("{}:kill:2", CrashPoint::AfterChunkCommit.name()),
    )]);
    stack.wait_until_worker_killed().await;
    let died = Instant::now();
    stack.start_worker();
    eventually("another worker resumes the import", async || {
        (stack.attempts(&school, 1).await == 2).then_some(())
    })
    .await;
    let resumed = died.elapsed();
    println!(
        "a killed worker's import resumed after {:.2} s, with a lease of {:.1} s and a sweep every {:.1} s",
        resumed.as_secs_f64(),
        LEASE.as_secs_f64(),
        SWEEP.as_secs_f64()
    );
    assert!(resumed < LEASE + SWEEP + SLACK, "{resumed:?}");
    assert_matches_oracle(&stack, &school, &[file]).await;
    stack.assert_nothing_left_over().await;
}

/// It is abandoned after the configured number of attempts, with a result that says why, while other tenants' imports run.
#[tokio::test]
async fn import_that_kills_its_workers_is_abandoned() {
    const ATTEMPTS: usize = 3;
    // One more where the machine is so busy that a worker's own reports are late: then it cannot tell that another one died
    // until the next claim.
    const MOST: usize = ATTEMPTS + 1;
    let mut stack = Options::fast_recovery()
        .workers(0)
        .worker_env("ROLLCALL_MAX_ATTEMPTS", ATTEMPTS)
        .worker_env("ROLLCALL_LEASE_SECONDS", 2)
        .start()
        .await;
    let school = stack.school().clone();
    let other = stack.add_tenant("other").await;
    let deadly = format!("{}:kill:1:{}", CrashPoint::BeforeChunkCommit.name(), school.id);
    let deadly = [("ROLLCALL_CRASH_POINT", deadly.as_str())];
    for _ in 0..2 {
        stack.start_worker_with(&deadly);
    }
    let location = stack.submit(&school, mixed(24, "deadly", 0)).await;
    let mut deaths = 0;
    let mut others = Vec::new();
    let mut last: Option<String> = None;
    let abandoned = eventually("it is abandoned", async || {
        deaths += stack.replace_dead_workers(&deadly);
        let done = match &last {
            Some(location) => stack.get(location).await.status == 200,
            None => true,
        };
        if done {
            let file = mixed(10, &format!("other {}", others.len()), 0);
            last = Some(stack.submit(&other, &file).await);
            others.push(file);
        }
        let answer = stack.get(&location).await;
        (answer.status == 200).then_some(answer)
    })
    .await;
    let summary = abandoned.is_failure(200);
    let counted = (ATTEMPTS..=MOST)
        .find(|n| summary.starts_with(&format!("The import was given up after {n} attempts")));
    assert!(counted.is_some(), "{summary}");
    assert!(summary.contains("its worker died"), "{summary}");
    deaths += stack.replace_dead_workers(&[]);
    assert!((ATTEMPTS..=MOST).contains(&deaths), "{deaths} workers died");
    println!("it was abandoned after {deaths} workers had died of it");
    // Each was submitted after the previous one had finished.
    assert!(others.len() > 1, "other imports finished in the meantime");
    assert_matches_oracle(&stack, &other, &others).await;
    eventually("it is in the dead-letter queue", async || {
        (stack.dead_letter_count().await == 1).then_some(())
    })
    .await;

    stack.kill_workers();
    stack.start_worker();
    let next = "username,enabled,staffmember\njane,y,y\n";
    stack.post_users_of(&school, next).await.is(200, &result(&[Row::Created]));
    stack.assert_nothing_left_over().await;
}
