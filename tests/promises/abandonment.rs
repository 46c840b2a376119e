//! Every accepted import ends in exactly one result (invariant 6). One that no attempt can finish is abandoned with the
//! reason, goes to the dead-letter queue, and can be retried by the operator; the tenant's next import runs.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use rollcall_schema::imports::outbox::Outbox;
use rollcall_tests::harness::{Options, Row, eventually, result};

const FILE: &str = "username,enabled,staffmember\njane,y,y\n";

/// An upload that is missing from the tenant's others was lost: the import is abandoned.
#[tokio::test]
async fn lost_upload_abandons_the_import_and_the_next_one_runs() {
    let mut stack = Options::default()
        .workers(0)
        .worker_env("ROLLCALL_MAX_ATTEMPTS", 2)
        .worker_env("ROLLCALL_RELAY_INTERVAL_SECONDS", 0.1)
        .start()
        .await;
    let lost = stack.submit(stack.school(), FILE).await;
    let next = stack.submit(stack.school(), FILE).await;
    let id = lost.rsplit('/').next().unwrap();
    let stored = stack.stored_files().into_iter().find(|file| file.ends_with(id)).unwrap();
    std::fs::remove_file(stored).unwrap();
    stack.start_worker();

    let expected = result(&[Row::Created]);
    let abandoned = stack.wait_for_result(&lost).await;
    let summary = abandoned.is_failure(200);
    assert!(
        summary.starts_with(
            "The import was given up after 2 attempts: the upload is missing from the upload store."
        ),
        "{summary}"
    );
    stack.wait_for_result(&next).await.is(200, &expected);
}

/// A store that is away is waited for, however many attempts that takes.
#[tokio::test]
async fn upload_store_that_is_away_is_waited_for() {
    let mut stack = Options::default()
        .workers(0)
        .worker_env("ROLLCALL_MAX_ATTEMPTS", 1)
        .worker_env("ROLLCALL_RELAY_INTERVAL_SECONDS", 0.1)
        .start()
        .await;
    let location = stack.submit(stack.school(), FILE).await;
    let uploads = stack.uploads_of(stack.school());
    let moved = uploads.with_extension("moved");
    std::fs::rename(&uploads, &moved).unwrap();
    stack.start_worker();
    eventually("it was tried more often than a file may fail", async || {
        (stack.row("select retries from imports").await["retries"].as_u64()? >= 2).then_some(())
    })
    .await;
    eventually("a poll says what it waits for", async || {
        let polled = stack.get(&location).await;
        assert_eq!(polled.status, 202, "{}", polled.text());
        (polled.json()["waiting"] == "the upload store is away").then_some(())
    })
    .await;
    let _ = std::fs::remove_dir_all(&uploads);
    std::fs::rename(&moved, &uploads).unwrap();
    stack.wait_for_result(&location).await.is(200, &result(&[Row::Created]));
}

#[tokio::test]
async fn damaged_upload_abandons_the_import_at_once() {
    let mut stack = Options::default().workers(0).start().await;
    let file = "username,enabled,staffmember\njane,y,y\n";
    let location = stack.submit(stack.school(), file).await;
    let stored = stack.stored_files().remove(0);
    let mut sealed = std::fs::read(&stored).unwrap();
    *sealed.last_mut().unwrap() ^= 1;
    std::fs::write(&stored, sealed).unwrap();
    stack.start_worker();

    let result = stack.wait_for_result(&location).await;
    let summary = result.is_failure(200);
    assert!(
        summary.starts_with("The import was given up after 1 attempt: the stored upload is damaged"),
        "{summary}"
    );
}

#[tokio::test]
async fn abandoned_import_is_dead_lettered_and_can_be_retried() {
    let mut stack = Options::default()
        .workers(0)
        .worker_env("ROLLCALL_MAX_ATTEMPTS", 2)
        .worker_env("ROLLCALL_RELAY_INTERVAL_SECONDS", 0.1)
        .start()
        .await;
    let job = stack.submit(stack.school(), FILE).await;
    let stored = stack.stored_files().remove(0);
    let sealed = std::fs::read(&stored).unwrap();
    std::fs::write(&stored, b"damaged").unwrap();
    stack.start_worker();
    let abandoned = stack.wait_for_result(&job).await;
    assert!(abandoned.is_failure(200).starts_with("The import was given up after 1 attempt"));

    let id = job.rsplit('/').next().unwrap();
    let channel = stack.broker().channel().await.expect("RabbitMQ answers");
    let dead = eventually("its wake-up is in the dead-letter queue", async || {
        let options = lapin::options::BasicGetOptions { no_ack: true };
        channel.basic_get(stack.dead_letters().into(), options).await.expect("the queue exists")
    })
    .await;
    let message: serde_json::Value = serde_json::from_slice(&dead.delivery.data).unwrap();
    assert_eq!(message["import"], id);

    std::fs::write(&stored, sealed).unwrap();
    stack.rollcall(&["jobs", "retry", id, "--tenant", "school"]).await.expect("it can be retried");
    stack.wait_for_result(&job).await.is(200, &result(&[Row::Created]));
    tokio::time::timeout(Duration::from_secs(5), channel.close(200, "done".into())).await.unwrap().unwrap();
}

/// Relays that sweep at the same moment publish each dead letter once.
#[tokio::test]
async fn relays_that_sweep_at_once_publish_each_dead_letter_once() {
    const IMPORTS: u32 = 12;
    const RELAYS: usize = 6;
    let stack = Options::default().workers(0).start().await;
    for _ in 0..IMPORTS {
        stack.submit(stack.school(), FILE).await;
    }
    stack
        .execute(
            "update imports set state = 'finished', finished_at = now(), failure_kind = 'abandoned', failure = 'tested'",
        )
        .await;
    let outboxes: Vec<Outbox> =
        (0..RELAYS).map(|_| Outbox::new(stack.test_database.pool(), Arc::new(stack.broker()))).collect();
    join_all(outboxes.iter().map(async |outbox| outbox.publish_dead_letters(100).await.unwrap())).await;
    println!(
        "{RELAYS} relays published {} dead letters of {IMPORTS} imports",
        stack.dead_letter_count().await
    );
    assert_eq!(stack.dead_letter_count().await, IMPORTS);
    stack.wait_until_none("select from imports where dead_lettered_at is null").await;
}
