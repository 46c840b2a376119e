//! Uploads of finished imports are kept for some days and then deleted, and so are incomplete and orphaned uploads. An
//! upload that an import still needs is never deleted (invariants 2 and 6).

use std::fs::File;
use std::time::{Duration, SystemTime};

use rollcall_tests::harness::{Options, Row, Stack, eventually, result};

const FILE: &str = "username,enabled,staffmember\njane,y,y\n";
const A_DAY: Duration = Duration::from_hours(24);

async fn wait_until_no_file_is_left(stack: &Stack) {
    eventually("every upload is deleted", async || stack.stored_files().is_empty().then_some(())).await;
}

#[tokio::test]
async fn uploads_of_finished_imports_expire() {
    let stack = Options::default().worker_env("ROLLCALL_JANITOR_INTERVAL_SECONDS", 0.05).start().await;
    stack.post_users(FILE).await.is(200, &result(&[Row::Created]));
    let refused = stack.post_users("name\njane\n").await;
    refused.is_failure(400);
    // The default is a week. The sweep that deletes the older one leaves the younger one.
    stack.execute("update imports set finished_at = finished_at - interval '6 days'").await;
    stack
        .execute("update imports set finished_at = finished_at - interval '2 days' where failure is null")
        .await;
    eventually("the older one is deleted", async || (stack.stored_files().len() == 1).then_some(())).await;
    let kept = stack.row("select failure_kind from imports where upload_deleted_at is null").await;
    assert_eq!(kept["failure_kind"], "refused");
    stack.execute("update imports set finished_at = finished_at - interval '2 days'").await;
    wait_until_no_file_is_left(&stack).await;

    let id = refused.header("location").unwrap().rsplit('/').next().unwrap().to_owned();
    stack.execute(&format!("update imports set failure_kind = 'abandoned' where id = '{id}'")).await;
    let output = stack.rollcall(&["jobs", "retry", &id]).await.expect_err("its upload is deleted");
    assert!(output.contains("have the file sent again"), "{output}");
    // The results are kept.
    stack.get(refused.header("location").unwrap()).await.is(200, refused.text());
}

#[tokio::test]
async fn incomplete_and_orphaned_uploads_are_deleted() {
    let mut stack = Options::default()
        .workers(0)
        // The wake-up may be used up while the import may not start yet.
        .worker_env("ROLLCALL_RELAY_INTERVAL_SECONDS", 0.1)
        .worker_env("ROLLCALL_REPUBLISH_AFTER_SECONDS", 0.5)
        .start()
        .await;
    let job = stack.submit(stack.school(), FILE).await;
    let waiting = stack.stored_files().remove(0);
    // What an API leaves that is killed during an upload, or between storing and submitting one.
    let incomplete = waiting.with_file_name(format!("{}#1", uuid::Uuid::now_v7()));
    let orphaned = waiting.with_file_name(uuid::Uuid::now_v7().to_string());
    let fresh_incomplete = waiting.with_file_name(format!("{}#2", uuid::Uuid::now_v7()));
    let fresh = waiting.with_file_name(uuid::Uuid::now_v7().to_string());
    // What a process leaves that is killed while it tries the store.
    let probe = stack.uploads().join("probes").join("killed");
    std::fs::create_dir_all(probe.parent().unwrap()).unwrap();
    for file in [&incomplete, &orphaned, &fresh_incomplete, &fresh, &probe] {
        std::fs::write(file, "sealed").unwrap();
    }
    for old in [&incomplete, &orphaned, &waiting, &probe] {
        File::options().write(true).open(old).unwrap().set_modified(SystemTime::now() - A_DAY).unwrap();
    }
    // The import stays queued while the janitor runs.
    stack.execute("update imports set not_before = now() + interval '1 hour'").await;
    stack.start_worker_with(&[("ROLLCALL_JANITOR_INTERVAL_SECONDS", "0.05")]);
    eventually("the old ones are deleted", async || {
        (!incomplete.exists() && !orphaned.exists() && !probe.exists()).then_some(())
    })
    .await;
    assert!(waiting.exists() && fresh_incomplete.exists() && fresh.exists());

    stack.execute("update imports set not_before = now()").await;
    stack.wait_for_result(&job).await.is(200, &result(&[Row::Created]));
}
