//! An import can be cancelled: it stops within a chunk, keeps what was merged and reports how far that is, and the tenant's
//! next import starts (invariants 3 and 5). A cancelled import can be retried and resumes where it stopped.

use diesel_async::SimpleAsyncConnection as _;
use reqwest::Method;
use rollcall_tests::harness::{Answer, Options, Row, Stack, eventually, result};
use serde_json::json;

const USERS: &str = "/api/import/users";
const FILE: &str = "username,enabled,staffmember\njane,y,y\n";
/// Rows of an import that is cancelled while it is running.
const ROWS: u64 = 20_000;

async fn cancel(stack: &Stack, job: &str) -> Answer {
    stack.send(stack.request(Method::DELETE, job)).await
}

fn large() -> String {
    let rows: String = (0..ROWS).map(|n| format!("user{n},y,y\n")).collect();
    format!("username,enabled,staffmember\n{rows}")
}

/// Waits until some of an import's rows are merged.
async fn is_merging(stack: &Stack, job: &str) {
    eventually("rows are merged", async || {
        let answer = stack.get(job).await;
        assert_eq!(answer.status, 202, "it is running: {}", answer.text());
        (answer.json()["rows"]["processed"].as_u64() > Some(0)).then_some(())
    })
    .await;
}

/// The number of processed rows, counted in three ways that must agree.
async fn rows_done(stack: &Stack, job: &str) -> u64 {
    let id = job.rsplit('/').next().unwrap();
    let counted = stack
        .row(&format!(
            "select (select rows_done from imports where id = '{id}') as by_cursor,
                    (select coalesce(sum(rows), 0)::bigint from chunk_outcomes where import_id = '{id}') as by_outcomes,
                    (select count(*) from users where username like 'user%') as by_users"
        ))
        .await;
    assert_eq!(
        (&counted["by_cursor"], &counted["by_cursor"]),
        (&counted["by_outcomes"], &counted["by_users"])
    );
    counted["by_cursor"].as_u64().unwrap()
}

#[tokio::test]
async fn queued_import_never_starts() {
    let mut stack = Options::default().workers(0).start().await;
    let waiting = stack.upload(USERS, FILE);
    let (answer, job) = tokio::join!(stack.send(waiting), async {
        let job = eventually("it is queued", async || {
            let jobs = stack.get("/api/import/jobs").await.json();
            jobs["jobs"][0]["id"].as_str().map(|id| format!("/api/import/jobs/{id}"))
        })
        .await;
        let cancelled = cancel(&stack, &job).await;
        let summary = cancelled.is_failure(200);
        assert_eq!(summary, "The import was cancelled by autoimport before any row was processed.");
        job
    });
    // The waiting POST is answered at once, with a status that is no success.
    answer.is_failure(409);
    // A cancelled job polls like any finished one, and cancelling it again changes nothing.
    stack.get(&job).await.is(200, answer.text());
    cancel(&stack, &job).await.is(200, answer.text());

    stack.start_worker();
    stack.post_users(FILE).await.is(200, &result(&[Row::Created]));
    let ended = cancel(&stack, &submit_and_finish(&stack).await).await;
    assert!(ended.is_failure(409).contains("ended already"));
    stack.get(&job).await.is(200, answer.text());
}

async fn submit_and_finish(stack: &Stack) -> String {
    let answer = stack.post_users(FILE).await;
    answer.is(200, &result(&[Row::Updated]));
    answer.header("location").unwrap().to_owned()
}

#[tokio::test]
async fn running_import_stops_within_a_chunk_and_resumes_when_retried() {
    let stack = Options::default()
        .worker_env("ROLLCALL_CHUNK_ROWS", 10)
        .worker_env("ROLLCALL_RELAY_INTERVAL_SECONDS", 0.1)
        .worker_env("ROLLCALL_SMALL_LANE", 1)
        .start()
        .await;
    let job = stack.submit(stack.school(), large()).await;
    is_merging(&stack, &job).await;
    let cancelled = cancel(&stack, &job).await;
    let summary = cancelled.is_failure(200);
    let done = rows_done(&stack, &job).await;
    assert!((10..ROWS).contains(&done), "{done}");
    assert!(summary.starts_with("The import was cancelled by autoimport after "), "{summary}");
    assert!(
        summary.ends_with(&format!(
            "{done} users processed. {done} users created. 0 users updated. 0 users failed."
        )),
        "{summary}"
    );
    // The tenant's next import starts: its line and the worker's only consumer are free.
    stack.post_users(FILE).await.is(200, &result(&[Row::Created]));
    assert_eq!(rows_done(&stack, &job).await, done, "no more rows are written");
    stack.get(&job).await.is(200, cancelled.text());

    // A retry resumes where it stopped, and the result is that of the whole import.
    let id = job.rsplit('/').next().unwrap();
    let output = stack.rollcall(&["jobs", "retry", id]).await.expect("it can be retried");
    assert!(output.contains(&format!("{done} processed rows")), "{output}");
    let whole = vec![Row::Created; usize::try_from(ROWS).unwrap()];
    stack.wait_for_result(&job).await.is(200, &result(&whole));
    let output = stack.rollcall(&["jobs", "retry", id]).await.expect_err("it has finished");
    assert!(output.contains("only one that was abandoned or cancelled can run again"), "{output}");
}

#[tokio::test]
async fn chunk_in_progress_is_not_committed() {
    // With a lease so long that no heartbeat comes in time, only the fencing token stops the worker.
    let mut stack = Options::default()
        .worker_env("ROLLCALL_SMALL_LANE", 1)
        .worker_env("ROLLCALL_LEASE_SECONDS", 3600)
        .start()
        .await;
    stack.post_users(FILE).await.is(200, &result(&[Row::Created]));
    let before = stack.row("select count(*) as users, count(surname) as named from users").await;

    // Another transaction has locked one of the chunk's users, so that it blocks in the middle of its merge.
    let mut conn = stack.database.connection().await.unwrap();
    conn.batch_execute("begin; select from users where username = 'jane' for update").await.unwrap();
    let job = stack
        .submit(stack.school(), "username,surname,enabled,staffmember\njane,Doe,y,y\njoe,Doe,y,y\n")
        .await;
    eventually("the chunk is blocked", async || {
        let waiting =
            "select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";
        (!stack.rows(waiting).await.is_empty()).then_some(())
    })
    .await;
    let id = job.rsplit('/').next().unwrap();
    let output =
        stack.rollcall(&["jobs", "cancel", id]).await.expect("cancelling does not wait for the chunk");
    assert_eq!(output.trim_end(), "The import was cancelled by the operator before any row was processed.");
    conn.batch_execute("commit").await.unwrap();

    // The worker's only consumer takes the next import, long before the lease would have expired.
    stack.post_users(FILE).await.is(200, &result(&[Row::Updated]));
    assert_eq!(stack.row("select count(*) as users, count(surname) as named from users").await, before);
    assert!(stack.rows(&format!("select from chunk_outcomes where import_id = '{id}'")).await.is_empty());
    let held =
        stack.rows("select id from imports where state <> 'finished' or lease_until is not null").await;
    assert!(held.is_empty(), "{held:?}");
    stack.stop_workers();
}

#[tokio::test]
async fn only_the_tenants_administrator_may_cancel() {
    let stack = Options::default().workers(0).start().await;
    stack.add_tenant("other").await;
    let accepted = stack
        .send(stack.upload(&format!("{USERS}?tenantId=school"), FILE).header("prefer", "respond-async"))
        .await;
    let job = accepted.header("location").unwrap();
    cancel(&stack, &format!("{job}?tenantId=other")).await.is_failure(404);
    cancel(&stack, "/api/import/jobs/nonsense?tenantId=school").await.is_failure(404);
    stack.send(stack.anonymous(Method::DELETE, &format!("{job}?tenantId=school"))).await.is_failure(401);
    assert_eq!(stack.row("select state from imports").await, json!({"state": "queued"}));
    let answer = stack.send(stack.request(Method::OPTIONS, job)).await;
    assert!(answer.header("allow").unwrap().contains("DELETE"));
    cancel(&stack, &format!("{job}?tenantId=school")).await.is_failure(200);
}
