//! While RabbitMQ accepts no messages or is away, imports say so, and begin without it after the length of a lease
//! (invariants 1 and 2).

use std::time::{Duration, Instant};

use rollcall_tests::harness::{DedicatedServer, Options, Stack, eventually};
use rollcall_tests::rosters::mixed::mixed;
use rollcall_tests::tables::assert_matches_oracle;

/// Long enough that the reason is seen before the import begins.
const LEASE: Duration = Duration::from_secs(8);

async fn stack(rabbitmq: &DedicatedServer) -> Stack {
    Options::default()
        .rabbitmq(rabbitmq)
        .worker_env("ROLLCALL_LEASE_SECONDS", LEASE.as_secs_f64())
        .worker_env("ROLLCALL_RELAY_INTERVAL_SECONDS", 0.3)
        .worker_env("ROLLCALL_JANITOR_INTERVAL_SECONDS", 0.3)
        .start()
        .await
}

/// Submits a file, waits until its import says why it waits, and until it is imported all the same. Prints how long both
/// took.
async fn waits_and_runs(stack: &Stack, file: &str, reason: &str) {
    let started = Instant::now();
    let location = stack.submit(stack.school(), file).await;
    eventually(&format!("the import says: {reason}"), async || {
        let polled = stack.get(&location).await;
        assert_eq!(polled.status, 202, "it begins before it says why it waits: {}", polled.text());
        (polled.json()["waiting"] == reason).then_some(())
    })
    .await;
    let said = started.elapsed();
    let shown = stack.rollcall(&["jobs", "list", "school"]).await.unwrap();
    assert!(shown.contains(reason), "{shown}");
    assert_eq!(stack.wait_for_result(&location).await.status, 200);
    println!(
        "\"{reason}\" was said after {:.1} s, and the import had its result after {:.1} s",
        said.as_secs_f64(),
        started.elapsed().as_secs_f64()
    );
}

#[tokio::test]
async fn memory_alarm_is_said_and_outlasted() {
    let rabbitmq = DedicatedServer::rabbitmq().await;
    let stack = stack(&rabbitmq).await;
    let files = [mixed(12, "before", 0), mixed(12, "alarm", 0), mixed(12, "afterwards", 0)];
    assert_eq!(stack.post_users(&files[0]).await.status, 200);
    rabbitmq.set_memory_alarm(true).await;
    waits_and_runs(&stack, &files[1], "RabbitMQ accepts no messages (alarm)").await;
    rabbitmq.set_memory_alarm(false).await;
    assert_eq!(stack.post_users(&files[2]).await.status, 200);
    assert_matches_oracle(&stack, stack.school(), &files).await;
    stack.assert_nothing_left_over().await;
}

#[tokio::test]
async fn outage_is_said_and_outlasted() {
    let rabbitmq = DedicatedServer::rabbitmq().await;
    let stack = stack(&rabbitmq).await;
    let files = [mixed(12, "before", 0), mixed(12, "away", 0)];
    assert_eq!(stack.post_users(&files[0]).await.status, 200);
    rabbitmq.stop().await;
    waits_and_runs(&stack, &files[1], "RabbitMQ is away").await;
    rabbitmq.restart().await;
    assert_matches_oracle(&stack, stack.school(), &files).await;
    stack.assert_nothing_left_over().await;
}
