//! The network between the service and its servers may be slow, reset every connection or partition: an import ends as if
//! nothing had happened (invariants 1, 2 and 3).

use std::time::Duration;

use rollcall_tests::harness::{Options, Proxy, Stack, eventually, servers};
use rollcall_tests::rosters::mixed::mixed;
use rollcall_tests::tables::assert_matches_oracle;

/// Proxies in front of the shared Postgres and RabbitMQ.
async fn proxies() -> [Proxy; 2] {
    let servers = tokio::task::spawn_blocking(servers).await.unwrap();
    [Proxy::start(port(&servers.database_url)).await, Proxy::start(port(&servers.amqp_url)).await]
}

fn port(url: &str) -> u16 {
    let (_, host) = url.rsplit_once('@').unwrap();
    host.split(['/', '?']).next().unwrap().rsplit(':').next().unwrap().parse().unwrap()
}

async fn rows_done(stack: &Stack) -> u64 {
    stack.row("select rows_done from imports").await["rows_done"].as_u64().unwrap()
}

#[tokio::test]
async fn connection_resets_lose_nothing() {
    let [postgres, rabbitmq] = proxies().await;
    let stack = Options::fast_recovery()
        .worker_env("ROLLCALL_CHUNK_ROWS", 2)
        .worker_env("ROLLCALL_PARALLEL_CHUNKS", 1)
        .postgres_through(&postgres)
        .rabbitmq_through(&rabbitmq)
        .start()
        .await;
    let file = mixed(40, "reset", 0);
    let location = stack.submit(stack.school(), &file).await;
    // Whenever it has made progress it loses every connection.
    let mut seen = 0;
    eventually("it finishes all the same", async || {
        let done = rows_done(&stack).await;
        if done >= seen + 8 {
            seen = done;
            postgres.reset();
            rabbitmq.reset();
        }
        (stack.row("select state from imports").await["state"] == "finished").then_some(())
    })
    .await;
    assert!(seen >= 16, "it was reset repeatedly");
    assert_eq!(stack.wait_for_result(&location).await.status, 200);
    assert_matches_oracle(&stack, stack.school(), &[file]).await;
    stack.assert_nothing_left_over().await;
}

#[tokio::test]
async fn latency_costs_no_attempt() {
    let [postgres, rabbitmq] = proxies().await;
    let stack = Options::fast_recovery()
        .worker_env("ROLLCALL_LEASE_SECONDS", 5)
        .postgres_through(&postgres)
        .rabbitmq_through(&rabbitmq)
        .start()
        .await;
    for proxy in [&postgres, &rabbitmq] {
        proxy.delay(Duration::from_millis(50));
    }
    let files = [mixed(24, "late", 0), mixed(24, "later", 0)];
    for file in &files {
        stack.submit(stack.school(), file).await;
    }
    assert_matches_oracle(&stack, stack.school(), &files).await;
    for position in 1..=2 {
        assert_eq!(stack.attempts(stack.school(), position).await, 1);
    }
    stack.assert_nothing_left_over().await;
}

/// A partitioned worker loses its import to another. What it had sent arrives late and changes nothing.
#[tokio::test]
async fn partitioned_worker_loses_its_import() {
    let [postgres, rabbitmq] = proxies().await;
    let mut stack = Options::fast_recovery()
        .workers(0)
        .postgres_through(&postgres)
        .rabbitmq_through(&rabbitmq)
        .start()
        .await;
    let files = [mixed(24, "partitioned", 0), mixed(24, "afterwards", 0)];
    let school = stack.school().clone();
    let lock = stack.lock_users().await;
    stack.start_worker();
    stack.submit(&school, &files[0]).await;
    stack.wait_for_blocked_chunk().await;
    postgres.partition();
    rabbitmq.partition();
    // This worker does not connect through the proxies.
    let (database, broker) = (stack.test_database.service_url.clone(), servers().amqp_url.clone());
    stack.start_worker_with(&[("DATABASE_URL", &database), ("AMQP_URL", &broker)]);
    eventually("another worker takes over", async || (stack.attempts(&school, 1).await == 2).then_some(()))
        .await;
    drop(lock);
    postgres.heal();
    rabbitmq.heal();
    assert_matches_oracle(&stack, &school, &files[..1]).await;

    // The partitioned worker reconnects.
    stack.worker(1).kill();
    stack.submit(&school, &files[1]).await;
    assert_matches_oracle(&stack, &school, &files).await;
    stack.assert_nothing_left_over().await;
}

/// While RabbitMQ is unreachable an upload is accepted at once. It runs when RabbitMQ is reachable again.
#[tokio::test]
async fn uploads_are_accepted_while_rabbitmq_is_unreachable() {
    let [_, rabbitmq] = proxies().await;
    let stack = Options::fast_recovery().rabbitmq_through(&rabbitmq).start().await;
    let file = mixed(24, "partitioned", 0);
    rabbitmq.partition();
    let location = stack.submit(stack.school(), &file).await;
    assert_eq!(stack.get(&location).await.status, 202);
    rabbitmq.heal();
    assert_matches_oracle(&stack, stack.school(), &[file]).await;
    stack.assert_nothing_left_over().await;
}
