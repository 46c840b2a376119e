//! A worker that dies, freezes or is killed by its file costs its import a lease's length at most, and nobody else
//! anything.

use std::time::{Duration, Instant};

use rollcall_schema::edge::Edge;
use rollcall_tests::harness::{Options, Row, eventually, result, run_trials};
use rollcall_tests::rosters::mixed::mixed;
use rollcall_tests::tables::assert_matches_oracle;

/// Frozen past its lease, it finds its import finished by another when it goes on, and changes nothing more.
#[test]
fn frozen_worker_writes_nothing_after_its_lease() {
    // Amid a transaction it holds locks, which the server takes from it after half a minute.
    let edges =
        [Edge::BeforeChunkCommit, Edge::AfterChunkCommit, Edge::AfterClaimCommit, Edge::AfterWakeUpAck];
    let failed = run_trials(edges.len(), &edges, |&edge| async move {
        let mut stack = Options::fast_recovery().workers(0).start().await;
        let files = [mixed(24, "first", 0), mixed(24, "second", 0)];
        let school = stack.school().clone();
        stack.submit(&school, &files[0]).await;
        stack.start_worker_with(&[("ROLLCALL_EDGE", &format!("{}:stop:1", edge.name()))]);
        stack.wait_until_worker_frozen(0).await;
        stack.start_worker();
        assert_matches_oracle(&stack, &school, &files[..1]).await;
        assert_eq!(stack.attempts(&school, 1).await, 2, "another worker took over");

        stack.worker(1).kill();
        stack.worker(0).resume();
        // What it does next it can only do when it is through with what it was frozen at.
        stack.submit(&school, &files[1]).await;
        assert_matches_oracle(&stack, &school, &files).await;
        assert_eq!(stack.attempts(&school, 1).await, 2);
        stack.assert_nothing_left_over().await;
    });
    assert!(failed.is_empty(), "{failed:?}");
}

/// Within the lease's length and one look of the relay; the time is printed.
#[tokio::test]
async fn dead_workers_import_resumes_within_the_lease() {
    const LEASE: Duration = Duration::from_secs(2);
    const SWEEP: Duration = Duration::from_millis(500);
    /// For the processes and a busy machine; far less than anything else that would bring the import back takes.
    const SLACK: Duration = Duration::from_secs(15);
    let mut stack = Options::fast_recovery()
        .workers(0)
        .worker_env("ROLLCALL_LEASE_SECONDS", LEASE.as_secs_f64())
        .worker_env("ROLLCALL_RELAY_SECONDS", SWEEP.as_secs_f64())
        .start()
        .await;
    let file = mixed(24, "interrupted", 0);
    let school = stack.school().clone();
    stack.submit(&school, &file).await;
    stack.start_worker_with(&[("ROLLCALL_EDGE", &format!("{}:kill:2", Edge::AfterChunkCommit.name()))]);
    stack.wait_until_worker_killed().await;
    let died = Instant::now();
    stack.start_worker();
    eventually("another worker goes on", async || (stack.attempts(&school, 1).await == 2).then_some(()))
        .await;
    let resumed = died.elapsed();
    println!(
        "a killed worker's import went on after {:.2} s, with a lease of {:.1} s and a look every {:.1} s",
        resumed.as_secs_f64(),
        LEASE.as_secs_f64(),
        SWEEP.as_secs_f64()
    );
    assert!(resumed < LEASE + SWEEP + SLACK, "{resumed:?}");
    assert_matches_oracle(&stack, &school, &[file]).await;
    stack.assert_nothing_left_over().await;
}

/// It is given up after the configured number of attempts, with a result that says why, and the imports of others are
/// done meanwhile.
#[tokio::test]
async fn import_that_kills_its_workers_is_abandoned() {
    const ATTEMPTS: usize = 3;
    let mut stack = Options::fast_recovery()
        .workers(0)
        .worker_env("ROLLCALL_MAX_ATTEMPTS", ATTEMPTS)
        .worker_env("ROLLCALL_LEASE_SECONDS", 1)
        .start()
        .await;
    let school = stack.school().clone();
    let other = stack.add_tenant("other").await;
    let deadly = format!("{}:kill:1:{}", Edge::BeforeChunkCommit.name(), school.id);
    let deadly = [("ROLLCALL_EDGE", deadly.as_str())];
    for _ in 0..2 {
        stack.start_worker_with(&deadly);
    }
    let location = stack.submit(&school, mixed(24, "deadly", 0)).await;
    let mut deaths = 0;
    let mut others = Vec::new();
    let mut last: Option<String> = None;
    let given_up = eventually("it is given up", async || {
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
    let summary = given_up.is_failure(200);
    assert!(summary.starts_with("The import was given up after 3 attempts"), "{summary}");
    assert!(summary.contains("its worker died"), "{summary}");
    assert_eq!(deaths + stack.replace_dead_workers(&[]), ATTEMPTS);
    // Each was submitted when the one before it was done.
    assert!(others.len() > 1, "others were done meanwhile");
    assert_matches_oracle(&stack, &other, &others).await;
    eventually("it is among the dead letters", async || (stack.dead_letter_count().await == 1).then_some(()))
        .await;

    stack.kill_workers();
    stack.start_worker();
    let next = "username,enabled,staffmember\njane,y,y\n";
    stack.post_users_of(&school, next).await.is(200, &result(&[Row::Created]));
    stack.assert_nothing_left_over().await;
}
