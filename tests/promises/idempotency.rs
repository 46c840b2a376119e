//! An upload that is sent again with its `Idempotency-Key` is the same import: a script whose connection broke may retry
//! without knowing the outcome.

use futures_util::future::join_all;
use rollcall_tests::harness::{Answer, Options, Row, Stack, eventually, multipart, result};
use serde_json::json;

const USERS: &str = "/api/import/users";
const FILE: &str = "username,enabled,staffmember\njane,y,y\njohn,y,y\n";

async fn send(stack: &Stack, path: &str, file: &str, key: &str) -> Answer {
    stack.send(stack.upload(path, file).header("idempotency-key", key)).await
}

async fn imports(stack: &Stack) -> serde_json::Value {
    stack.row("select count(*) as imports from imports").await["imports"].clone()
}

#[tokio::test]
async fn concurrent_uploads_with_one_key_are_one_import() {
    let stack = Stack::new().await;
    let answers = join_all((0..100).map(|_| send(&stack, USERS, FILE, "night-of-the-24th"))).await;
    let expected = result(&[Row::Created, Row::Created]);
    let location = answers[0].header("location").unwrap();
    for answer in &answers {
        answer.is(200, &expected);
        assert_eq!(answer.header("location"), Some(location));
    }
    assert_eq!(imports(&stack).await, 1);
    assert_eq!(stack.row("select last_position from tenants").await, json!({"last_position": 1}));
    assert_eq!(stack.stored_files().len(), 1, "the retries leave no upload");

    // Also after it has finished, with the key in quotes, and without waiting.
    send(&stack, USERS, FILE, "\"night-of-the-24th\"").await.is(200, &expected);
    let upload = stack.upload(USERS, FILE).header("idempotency-key", "night-of-the-24th");
    let again = stack.send(upload.header("prefer", "respond-async")).await;
    assert_eq!((again.status, again.header("location")), (202, Some(location)));
    assert_eq!(again.json()["state"], "finished");
    assert_eq!(imports(&stack).await, 1);
}

#[tokio::test]
async fn different_upload_with_the_same_key_is_refused() {
    let stack = Stack::new().await;
    send(&stack, USERS, FILE, "k").await.is(200, &result(&[Row::Created, Row::Created]));
    let other_file = send(&stack, USERS, "username\njane\n", "k").await;
    let summary = other_file.is_failure(422);
    assert!(summary.contains("Idempotency-Key"), "{summary}");
    // The same file at another endpoint is another import.
    send(&stack, "/api/import/userGroups", FILE, "k").await.is_failure(422);
    // With another charset, it is another file.
    let (content_type, body) = multipart("Content-Type: text/csv; charset=utf-16\r\n", FILE.as_bytes());
    let other_charset = stack
        .request(reqwest::Method::POST, USERS)
        .header("content-type", content_type)
        .header("idempotency-key", "k")
        .body(body);
    stack.send(other_charset).await.is_failure(422);
    assert_eq!(imports(&stack).await, 1);
    assert_eq!(stack.stored_files().len(), 1, "a refused upload leaves nothing");
}

#[tokio::test]
async fn key_belongs_to_its_tenant_and_expires_after_a_day() {
    let stack = Options::default().worker_env("ROLLCALL_JANITOR_INTERVAL_SECONDS", 0.1).start().await;
    let other = stack.add_tenant("other").await;
    let school = format!("{USERS}?tenantId=school");
    let created = result(&[Row::Created, Row::Created]);
    send(&stack, &school, FILE, "k").await.is(200, &created);
    send(&stack, &format!("{USERS}?tenantId={}", other.name), FILE, "k").await.is(200, &created);
    assert_eq!(imports(&stack).await, 2);

    stack.execute("update idempotency_keys set created_at = created_at - interval '23 hours'").await;
    send(&stack, &school, FILE, "k").await.is(200, &created);
    stack.execute("update idempotency_keys set created_at = created_at - interval '2 hours'").await;
    let updated = result(&[Row::Updated, Row::Updated]);
    let answers = join_all((0..10).map(|_| send(&stack, &school, FILE, "k"))).await;
    for answer in &answers {
        answer.is(200, &updated);
    }
    assert_eq!(imports(&stack).await, 3);
    // Expired keys are deleted.
    stack.execute("update idempotency_keys set created_at = created_at - interval '25 hours'").await;
    eventually("no key is left", async || {
        stack.rows("select key from idempotency_keys").await.is_empty().then_some(())
    })
    .await;
}

#[tokio::test]
async fn different_keys_are_separate_imports() {
    let stack = Stack::new().await;
    let keys: Vec<String> = (0..40).map(|n| format!("key-{}", n / 2)).collect();
    let answers = join_all(keys.iter().map(|key| send(&stack, USERS, FILE, key))).await;
    for pair in answers.chunks(2) {
        assert_eq!((pair[0].status, pair[0].text()), (200, pair[1].text()));
        assert_eq!(pair[0].header("location"), pair[1].header("location"));
    }
    assert_eq!(imports(&stack).await, 20);
    assert_eq!(stack.row("select last_position from tenants").await, json!({"last_position": 20}));
}

#[tokio::test]
async fn invalid_key_is_refused() {
    let stack = Options::default().workers(0).start().await;
    let long = "k".repeat(256);
    for key in ["", "two words", &long] {
        let summary = send(&stack, USERS, FILE, key).await.is_failure(400);
        assert!(summary.contains("Idempotency-Key"), "{summary}");
    }
    let (content_type, body) = multipart("", FILE.as_bytes());
    let two = stack
        .request(reqwest::Method::POST, USERS)
        .header("content-type", content_type)
        .header("idempotency-key", "one")
        .header("idempotency-key", "two")
        .body(body);
    stack.send(two).await.is_failure(400);
    assert_eq!(imports(&stack).await, 0);
}
