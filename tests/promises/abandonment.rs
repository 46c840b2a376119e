//! Every accepted import ends in exactly one result (invariant 6). One that no attempt can finish is abandoned with the
//! reason, goes to the dead-letter queue, and can be retried by the operator; the tenant's next import runs.

use std::time::Duration;

use rollcall_tests::harness::{Options, Row, eventually, result};

const FILE: &str = "username,enabled,staffmember\njane,y,y\n";

#[tokio::test]
async fn missing_upload_abandons_the_import_and_the_next_one_runs() {
    let mut stack = Options::default()
        .workers(0)
        .worker_env("ROLLCALL_MAX_ATTEMPTS", 2)
        .worker_env("ROLLCALL_RELAY_INTERVAL_SECONDS", 0.1)
        .start()
        .await;
    let file = "username,enabled,staffmember\njane,y,y\n";
    let location = stack.submit(stack.school(), file).await;
    std::fs::remove_dir_all(stack.uploads_of(stack.school())).unwrap();
    stack.start_worker();

    let result = stack.wait_for_result(&location).await;
    let summary = result.is_failure(200);
    assert!(
        summary.starts_with("The import was given up after 2 attempts: the upload could not be opened."),
        "{summary}"
    );

    stack.post_users(file).await.is(
        200,
        r#"{"success":true,"summary":"1 user processed. 1 user created. 0 users updated. 0 users failed."}"#,
    );
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
    let uploads = stack.uploads_of(stack.school());
    let moved = uploads.with_extension("moved");
    std::fs::rename(&uploads, &moved).unwrap();
    stack.start_worker();
    let abandoned = stack.wait_for_result(&job).await;
    assert!(abandoned.is_failure(200).starts_with("The import was given up after 2 attempts"));

    let id = job.rsplit('/').next().unwrap();
    let channel = stack.broker().channel().await.expect("RabbitMQ answers");
    let dead = eventually("its wake-up is in the dead-letter queue", async || {
        let options = lapin::options::BasicGetOptions { no_ack: true };
        channel.basic_get(stack.dead_letters().into(), options).await.expect("the queue exists")
    })
    .await;
    let message: serde_json::Value = serde_json::from_slice(&dead.delivery.data).unwrap();
    assert_eq!(message["import"], id);

    let _ = std::fs::remove_dir_all(&uploads);
    std::fs::rename(&moved, &uploads).unwrap();
    stack.rollcall(&["jobs", "retry", id, "--tenant", "school"]).await.expect("it can be retried");
    stack.wait_for_result(&job).await.is(200, &result(&[Row::Created]));
    tokio::time::timeout(Duration::from_secs(5), channel.close(200, "done".into())).await.unwrap().unwrap();
}
