//! A plain POST is answered with the result however long it takes, and a client that prefers not to wait polls for it.
//! Either way the result is the same to the byte (invariant 8).

use std::time::{Duration, Instant};

use reqwest::Method;
use rollcall_tests::harness::{
    Answer, Options, RawConnection, Row, Stack, eventually, multipart, result, upload_head,
};
use serde_json::{Value, json};

const USERS: &str = "/api/import/users";
const JOBS: &str = "/api/import/jobs";
const FILE: &str = "username,enabled,staffmember\njane,y,y\njohn,maybe,y\njoe,y,y\n";

/// The result of [`FILE`] in a tenant without its users.
fn expected() -> String {
    result(&[Row::Created, Row::Failed("Field (enabled) is not a valid boolean. "), Row::Created])
}

async fn post(stack: &Stack, tenant: &str, prefer: &str) -> Answer {
    let upload = stack.upload(&format!("{USERS}?tenantId={tenant}"), FILE);
    stack.send(if prefer.is_empty() { upload } else { upload.header("prefer", prefer) }).await
}

/// Asserts that the answer has no result yet, and exactly these keys.
#[track_caller]
fn is_pending(answer: &Answer, keys: &[&str]) -> Value {
    assert_eq!(answer.status, 202, "{}", answer.text());
    let json = answer.json();
    // There is none where the import begins at once.
    let mut found: Vec<&String> = json.as_object().unwrap().keys().filter(|key| *key != "waiting").collect();
    found.sort();
    let mut wanted = keys.to_vec();
    wanted.sort_unstable();
    assert_eq!(found, wanted, "{}", answer.text());
    assert!(answer.text().starts_with(r#"{"id":""#), "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let seconds: u64 = answer.header("retry-after").expect("it says when to poll").parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
    assert!(json["summary"].as_str().is_some_and(|summary| !summary.is_empty()));
    json
}

fn job_path(answer: &Answer, tenant: &str) -> String {
    format!("{}?tenantId={tenant}", answer.header("location").expect("an accepted upload has a location"))
}

async fn poll_until_finished(stack: &Stack, path: &str) -> Answer {
    eventually("the import is finished", async || {
        let answer = stack.get(path).await;
        (answer.status == 200).then_some(answer)
    })
    .await
}

#[tokio::test]
async fn every_way_of_waiting_returns_the_same_bytes() {
    // No worker yet, so that nothing finishes early.
    let mut stack = Options::default().workers(0).start().await;
    let names = ["school", "async", "short", "zero", "both", "hung-up"];
    for name in &names[1..] {
        stack.add_tenant(name).await;
    }

    let posted = Instant::now();
    for (tenant, prefer, applied) in [
        ("async", "respond-async", "respond-async"),
        ("short", "wait=1", "wait=1"),
        ("zero", "wait=0", "wait=0"),
        ("both", "respond-async, wait=0", "wait=0"),
    ] {
        let accepted = post(&stack, tenant, prefer).await;
        let json = is_pending(&accepted, &["id", "state", "summary"]);
        assert_eq!(accepted.header("preference-applied"), Some(applied), "{prefer}");
        assert_eq!(accepted.header("trace-id").map(str::len), Some(32));
        let location = accepted.header("location").unwrap();
        assert_eq!(location, format!("{JOBS}/{}", json["id"].as_str().unwrap()));
        assert_eq!(json["state"], "queued");
        let polled = stack.get(&job_path(&accepted, tenant)).await;
        let polled = is_pending(&polled, &["id", "state", "summary", "rows"]);
        assert_eq!((&polled["id"], &polled["state"]), (&json["id"], &json!("queued")));
        assert_eq!(polled["rows"], json!({"processed": 0}), "the total is not known yet");
        if prefer == "wait=1" {
            assert!(posted.elapsed() >= Duration::from_secs(1), "it waited");
        }
    }
    // A client that hangs up while it waits.
    let (content_type, body) = multipart("", FILE.as_bytes());
    let mut hanging_up = RawConnection::open(&stack).await;
    let path = format!("{USERS}?tenantId=hung-up");
    hanging_up
        .send(format!("{}Content-Length: {}\r\n\r\n", upload_head(&path, &content_type), body.len()))
        .await;
    hanging_up.send(&body).await;
    let listing = format!("{JOBS}?tenantId=hung-up");
    let id = eventually("the import is accepted", async || {
        stack.get(&listing).await.json()["jobs"][0]["id"].as_str().map(str::to_owned)
    })
    .await;
    drop(hanging_up);

    // Two clients that wait: one as curl does, and one that says for how long.
    let waiting = tokio::spawn(stack.upload(&format!("{USERS}?tenantId=school"), FILE).send());
    let asking =
        stack.request(Method::GET, &format!("{JOBS}/{id}?tenantId=hung-up")).header("prefer", "wait=60");
    let asking = tokio::spawn(asking.send());
    eventually("all are queued", async || {
        let waiting = stack.rows("select id from imports where state = 'queued'").await;
        (waiting.len() == names.len()).then_some(())
    })
    .await;
    stack.start_worker();

    let synchronous = Answer::read(waiting.await.unwrap().unwrap()).await;
    synchronous.is(200, &expected());
    assert_eq!(synchronous.header("preference-applied"), None);
    let asked = Answer::read(asking.await.unwrap().unwrap()).await;
    asked.is(200, &expected());
    assert_eq!(asked.header("preference-applied"), Some("wait=60"));
    for tenant in names {
        let listed = stack.get(&format!("{JOBS}?tenantId={tenant}")).await.json();
        let id = listed["jobs"][0]["id"].as_str().unwrap();
        poll_until_finished(&stack, &format!("{JOBS}/{id}?tenantId={tenant}")).await.is(200, &expected());
    }

    // With a worker running, a client that prefers to wait some seconds gets the result.
    let tenant = stack.add_tenant("quick").await;
    let answer = post(&stack, &tenant.name, "wait=60").await;
    answer.is(200, &expected());
    assert_eq!(answer.header("preference-applied"), Some("wait=60"));
    // A preference that is not understood is ignored.
    let tenant = stack.add_tenant("unknown").await;
    let answer = post(&stack, &tenant.name, "handling=lenient, wait=soon").await;
    answer.is(200, &expected());
    assert_eq!(answer.header("preference-applied"), None);
}

#[tokio::test]
async fn refusal_is_the_same_for_post_and_poll() {
    let mut stack = Options::default().workers(0).start().await;
    let accepted = stack.send(stack.upload(USERS, "name\nx\n").header("prefer", "respond-async")).await;
    is_pending(&accepted, &["id", "state", "summary"]);
    stack.start_worker();
    let polled = poll_until_finished(&stack, accepted.header("location").unwrap()).await;
    let posted = stack.post_users("name\nx\n").await;
    let summary = posted.is_failure(400);
    assert!(summary.contains("username"), "{summary}");
    assert_eq!(polled.text(), posted.text());
    stack.get(accepted.header("location").unwrap()).await.is(200, posted.text());
}

#[tokio::test]
async fn spaces_keep_a_slow_response_alive() {
    let mut stack = Options::default()
        .workers(0)
        .api_env("ROLLCALL_HEARTBEAT_AFTER_SECONDS", 0.2)
        .api_env("ROLLCALL_HEARTBEAT_EVERY_SECONDS", 0.1)
        .start()
        .await;
    let (content_type, body) = multipart("", FILE.as_bytes());
    let mut connection = RawConnection::open(&stack).await;
    let head = upload_head(USERS, &content_type);
    connection.send(format!("{head}Content-Length: {}\r\n\r\n", body.len())).await;
    connection.send(&body).await;
    let (status, headers) = connection.head().await;
    assert_eq!(status, 200);
    assert_eq!(headers["transfer-encoding"], "chunked");
    assert_eq!(headers["x-accel-buffering"], "no", "nginx would collect the spaces");
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(headers["trace-id"].len(), 32);
    let job = headers["location"].to_str().unwrap().to_owned();
    for _ in 0..3 {
        assert_eq!(connection.chunk().await, b" ");
    }
    stack.start_worker();
    let mut text = Vec::new();
    loop {
        match connection.chunk().await {
            chunk if chunk.is_empty() => break,
            chunk => text.extend(chunk),
        }
    }
    let text = String::from_utf8(text).unwrap();
    assert_eq!(text.trim_start_matches(' '), expected());
    let json: Value = serde_json::from_str(&text).expect("leading spaces are JSON's own");
    assert_eq!(json["success"], false);
    stack.get(&job).await.is(200, &expected());

    // A refusal after the 200 has been sent is in the body.
    let answer = stack.post_users("name\n").await;
    let summary = answer.json()["summary"].as_str().unwrap().to_owned();
    assert!(summary.contains("username"), "{summary}");
}

/// HTTP/1.0 has no chunks: the body ends with the connection.
#[tokio::test]
async fn http_1_0_client_waits_too() {
    let mut stack = Options::default()
        .workers(0)
        .api_env("ROLLCALL_HEARTBEAT_AFTER_SECONDS", 0.2)
        .api_env("ROLLCALL_HEARTBEAT_EVERY_SECONDS", 0.1)
        .start()
        .await;
    let (content_type, body) = multipart("", FILE.as_bytes());
    let head = upload_head(USERS, &content_type).replace("HTTP/1.1", "HTTP/1.0");
    for keep_alive in ["", "Connection: keep-alive\r\n"] {
        let mut connection = RawConnection::open(&stack).await;
        connection.send(format!("{head}{keep_alive}Content-Length: {}\r\n\r\n", body.len())).await;
        connection.send(&body).await;
        let (status, headers) = connection.head().await;
        assert_eq!(status, 200);
        assert_eq!(headers.get("transfer-encoding"), None);
        assert_eq!(headers.get("content-length"), None);
        assert_eq!(headers.get("connection"), None, "the version says that the connection is closed");
        assert_eq!(connection.byte().await, b' ');
        assert_eq!(connection.byte().await, b' ');
        stack.start_worker();
        let rest = String::from_utf8(connection.rest().await).unwrap();
        let result: Value = serde_json::from_str(&rest).expect("the result ends with the connection");
        assert_eq!(
            result["details"]["2"],
            serde_json::from_str::<Value>(&expected()).unwrap()["details"]["2"]
        );
        stack.stop_workers();
    }
    // An answer that has its length, in the same version.
    stack.start_worker();
    let mut connection = RawConnection::open(&stack).await;
    let quick = format!("{head}Prefer: respond-async\r\nContent-Length: {}\r\n\r\n", body.len());
    connection.send(quick).await;
    connection.send(&body).await;
    let accepted = connection.answer().await;
    is_pending(&accepted, &["id", "state", "summary"]);
    assert_eq!(connection.rest().await, b"");
}

#[tokio::test]
async fn poll_reports_progress() {
    // A transaction for each row takes a while.
    let stack = Options::default().worker_env("ROLLCALL_CHUNK_ROWS", 1).start().await;
    let rows: String = (0..20_000).map(|n| format!("user{n},y,y\n")).collect();
    let upload = stack.upload(USERS, format!("username,enabled,staffmember\n{rows}"));
    let accepted = stack.send(upload.header("prefer", "respond-async")).await;
    let path = accepted.header("location").unwrap();
    let progress = async || {
        let json = is_pending(&stack.get(path).await, &["id", "state", "summary", "rows"]);
        let processed = json["rows"]["processed"].as_u64().unwrap();
        (json["rows"]["total"] == 20_000 && processed > 0).then(|| {
            assert_eq!(json["state"], "running");
            assert_eq!(json["summary"], format!("{processed} of 20000 rows processed."));
            processed
        })
    };
    let first = eventually("the total is known", progress).await;
    eventually("more rows are processed", async || progress().await.filter(|now| *now > first)).await;
}

/// A client that named its tenant in the URL can follow `Location` as it is.
#[tokio::test]
async fn location_needs_no_tenant_parameter() {
    let stack = Stack::new().await;
    stack.add_tenant("other").await;
    let request = stack
        .upload("/api/import/users?tenantId=school", "username,enabled,staffmember\njane,y,y\n")
        .header("prefer", "respond-async");
    let answer = stack.send(request).await;
    assert_eq!(answer.status, 202);
    let polled = stack.send(
        stack.request(reqwest::Method::GET, answer.header("location").unwrap()).header("prefer", "wait=30"),
    );
    polled.await.is(
        200,
        r#"{"success":true,"summary":"1 user processed. 1 user created. 0 users updated. 0 users failed."}"#,
    );
    // An unknown import grants no access.
    let unknown = format!("/api/import/jobs/{}", rollcall_schema::ids::ImportId::generate());
    assert_eq!(stack.get(&unknown).await.status, 401);
}
