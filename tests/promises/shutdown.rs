//! An API that shuts down lets open requests finish for a while. After that, a request without an answer gets a 202 with
//! its location, and a response that has started is truncated: no client gets a false result (invariant 6).

use std::time::Instant;

use rollcall_tests::harness::{
    Options, RawConnection, Row, Stack, eventually, multipart, result, upload_head,
};

const USERS: &str = "/api/import/users";
const FILE: &str = "username,enabled,staffmember\njane,y,y\n";

async fn send_upload(connection: &mut RawConnection) {
    let (content_type, body) = multipart("", FILE.as_bytes());
    let head = upload_head(USERS, &content_type);
    connection.send(format!("{head}Content-Length: {}\r\n\r\n", body.len())).await;
    connection.send(&body).await;
}

/// Waits until the upload is an import.
async fn wait_until_queued(stack: &Stack) {
    eventually("it is queued", async || {
        (stack.row("select count(*) as imports from imports").await["imports"] == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn unanswered_request_gets_a_location() {
    let mut stack = Options::default().workers(0).api_env("ROLLCALL_SHUTDOWN_SECONDS", 1.5).start().await;
    let mut waiting = RawConnection::open(&stack).await;
    send_upload(&mut waiting).await;
    wait_until_queued(&stack).await;
    stack.api().ask_to_stop();
    let answer = waiting.answer().await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    assert!(answer.json().get("success").is_none());
    let job = answer.header("location").unwrap().to_owned();
    stack.stop_api().await;

    stack.start_worker();
    stack.start_api().await;
    stack.wait_for_result(&job).await.is(200, &result(&[Row::Created]));
}

#[tokio::test]
async fn started_response_is_truncated() {
    let mut stack = Options::default()
        .workers(0)
        .api_env("ROLLCALL_SHUTDOWN_SECONDS", 1.5)
        .api_env("ROLLCALL_HEARTBEAT_AFTER_SECONDS", 0.1)
        .api_env("ROLLCALL_HEARTBEAT_EVERY_SECONDS", 0.1)
        .start()
        .await;
    let mut waiting = RawConnection::open(&stack).await;
    send_upload(&mut waiting).await;
    let (status, headers) = waiting.head().await;
    assert_eq!(status, 200);
    assert_eq!(waiting.chunk().await, b" ");
    stack.api().ask_to_stop();
    let rest = String::from_utf8(waiting.rest().await).unwrap();
    // Spaces in chunks, and no last chunk: no client mistakes that for a complete answer.
    assert!(!rest.contains('{') && !rest.ends_with("0\r\n\r\n"), "{rest:?}");
    stack.stop_api().await;

    stack.start_worker();
    stack.start_api().await;
    let job = headers["location"].to_str().unwrap();
    let answer = stack.send(stack.request(reqwest::Method::GET, job).header("prefer", "wait=60")).await;
    answer.is(200, &result(&[Row::Created]));
}

/// The response would begin with a space while the API is already shutting down, and could then have no status but 200.
#[tokio::test]
async fn response_that_has_not_begun_is_a_location() {
    let mut stack = Options::default()
        .workers(0)
        .api_env("ROLLCALL_SHUTDOWN_SECONDS", 20)
        .api_env("ROLLCALL_HEARTBEAT_AFTER_SECONDS", 1.5)
        .api_env("ROLLCALL_HEARTBEAT_EVERY_SECONDS", 0.2)
        .start()
        .await;
    let mut begun = RawConnection::open(&stack).await;
    send_upload(&mut begun).await;
    assert_eq!(begun.head().await.0, 200);
    let mut waiting = RawConnection::open(&stack).await;
    send_upload(&mut waiting).await;
    eventually("both are queued", async || {
        (stack.row("select count(*) as imports from imports").await["imports"] == 2).then_some(())
    })
    .await;
    stack.api().ask_to_stop();
    let asked = Instant::now();
    let answer = waiting.answer().await;
    println!("answered {} {:?} after SIGTERM", answer.status, asked.elapsed());
    assert_eq!(answer.status, 202, "{}", answer.text());
    let job = answer.location();
    // The response that has begun is served on.
    stack.start_worker();
    let mut text = Vec::new();
    loop {
        match begun.chunk().await {
            chunk if chunk.is_empty() => break,
            chunk => text.extend(chunk),
        }
    }
    assert_eq!(String::from_utf8(text).unwrap().trim_start(), result(&[Row::Created]));
    stack.stop_api().await;
    stack.start_api().await;
    stack.wait_for_result(&job).await.is(200, &result(&[Row::Updated]));
}

#[tokio::test]
async fn import_that_finishes_in_time_is_answered() {
    let mut stack = Options::default().workers(0).api_env("ROLLCALL_SHUTDOWN_SECONDS", 30).start().await;
    let mut waiting = RawConnection::open(&stack).await;
    send_upload(&mut waiting).await;
    wait_until_queued(&stack).await;
    stack.api().ask_to_stop();
    stack.start_worker();
    waiting.answer().await.is(200, &result(&[Row::Created]));
    stack.stop_api().await;
}
