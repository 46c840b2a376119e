//! The service key is replaced while the service runs (invariant 10): whatever was sealed before, meanwhile and after opens,
//! and the old key opens nothing once the rotation is finished.

use rollcall_tests::harness::{KEY, Options, Row, Stack, eventually, result};
use serde_json::{Value, json};

const NEW_KEY: &str = "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf";
const WITH_NEW: &[(&str, &str)] = &[("ROLLCALL_KEY", NEW_KEY)];

/// A file with one user and a password.
fn file(user: &str) -> String {
    format!("username,enabled,staffmember,password\n{user},y,y,secret of {user}\n")
}

async fn rotate(stack: &Stack, arguments: &[&str], environment: &[(&str, &str)]) -> Result<Value, String> {
    let arguments = [&["keys", "rotate", "--json"], arguments].concat();
    let output = stack.rollcall_with(&arguments, environment).await?;
    Ok(serde_json::from_str(&output).expect("the command writes JSON"))
}

async fn hashed(stack: &Stack) -> usize {
    stack.rows("select from users where password_hash is not null and password_sealed is null").await.len()
}

async fn submit(stack: &Stack, user: &str) -> String {
    stack.submit(stack.school(), file(user)).await
}

#[tokio::test]
async fn service_key_is_rotated_without_losing_or_stopping_anything() {
    let mut stack =
        Options::default().workers(0).worker_env("ROLLCALL_WORKER_HASHING_THREADS", 0).start().await;
    stack.start_worker();
    stack.post_users(file("before")).await.is(200, &result(&[Row::Created]));
    stack.stop_workers();
    let queued_before = submit(&stack, "queued-before").await;

    let begun = rotate(&stack, &[], &[("ROLLCALL_NEW_KEY", NEW_KEY)]).await.unwrap();
    assert_eq!(begun["step"], "begun");
    let again = rotate(&stack, &[], &[("ROLLCALL_NEW_KEY", NEW_KEY)]).await.unwrap();
    assert_eq!(again["step"], "under way");
    let third = rotate(&stack, &[], &[("ROLLCALL_NEW_KEY", &NEW_KEY.replace("a0", "00"))]).await;
    assert!(third.unwrap_err().contains("is under way: end it with --finish or --cancel first"));
    let same = rotate(&stack, &[], &[("ROLLCALL_NEW_KEY", KEY)]).await;
    assert!(same.unwrap_err().contains("the new key is the present one"));

    // The API still has the old key, one worker the new one: it seals passwords with the new data key, which the API opens
    // for a login.
    stack.start_worker_with(WITH_NEW);
    stack.wait_for_result(&queued_before).await.is(200, &result(&[Row::Created]));
    stack.post_users(file("meanwhile")).await.is(200, &result(&[Row::Created]));
    let seals = stack.rows("select distinct substring(password_sealed from 5 for 4)::text as key from users where password_sealed is not null order by 1").await;
    assert_eq!(seals, [json!({"key": "\\x00000002"}), json!({"key": "\\x00000003"})]);
    let login = stack.anonymous(reqwest::Method::GET, "/api/import/jobs");
    stack.send(login.basic_auth("meanwhile", Some("secret of meanwhile"))).await.is_failure(403);

    // Neither end is reached while the other key is in use.
    let early = rotate(&stack, &["--finish"], WITH_NEW).await.unwrap_err();
    assert!(early.contains("processes still run with the key") && early.contains("rollcall-api"), "{early}");
    let cancelled = rotate(&stack, &["--cancel"], &[]).await.unwrap_err();
    assert!(cancelled.contains("rollcall-worker"), "{cancelled}");
    let wrong_end = rotate(&stack, &["--finish"], &[]).await.unwrap_err();
    assert!(wrong_end.contains("with which a rotation is finished"), "{wrong_end}");

    stack.stop_api().await;
    stack.start_api_with(WITH_NEW).await;
    let queued_with_new = submit(&stack, "queued-with-new").await;
    stack.wait_for_result(&queued_with_new).await.is(200, &result(&[Row::Created]));
    // A worker with the old key opens what the API seals now.
    stack.stop_workers();
    stack.start_worker();
    stack.post_users(file("old-worker")).await.is(200, &result(&[Row::Created]));
    stack.stop_workers();

    let finished = eventually("the rotation can be finished", async || {
        // The server may take a moment to notice that a process is gone.
        rotate(&stack, &["--finish"], WITH_NEW).await.ok()
    })
    .await;
    println!("{finished}");
    assert_eq!((&finished["step"], &finished["unopened"]), (&json!("finished"), &json!(0)));
    assert_eq!(finished["removed"].as_array().unwrap().len(), 1);
    assert_eq!(finished["resealed"], 1, "the one that the first data key sealed");
    let (status, errors) = stack.refusal_of("rollcall-worker", &[]).await;
    assert_eq!(status, Some(2), "{errors}");
    assert!(errors.contains("ROLLCALL_KEY is not the key of this installation"), "{errors}");

    stack.start_worker_with(&[
        WITH_NEW[0],
        ("ROLLCALL_WORKER_HASHING_THREADS", "1"),
        ("ROLLCALL_REPUBLISH_AFTER_SECONDS", "0.3"),
    ]);
    // With the administrator; one was hashed by the login.
    eventually("every password is hashed", async || (hashed(&stack).await == 6).then_some(())).await;
    // The fingerprints are those of before.
    for user in ["before", "meanwhile", "old-worker"] {
        stack.post_users(file(user)).await.is(200, &result(&[Row::Updated]));
    }
    assert_eq!(hashed(&stack).await, 6, "no password counts as changed");
    let again = rotate(&stack, &["--finish"], WITH_NEW).await.unwrap();
    assert_eq!(again, json!({"step": "finished", "removed": [], "resealed": 0, "unopened": 0}));
    let cancelled = rotate(&stack, &["--cancel"], WITH_NEW).await.unwrap_err();
    assert!(cancelled.contains("no rotation is under way"), "{cancelled}");
}

/// The installation of a version without data keys: the old service key itself is a data key.
#[tokio::test]
async fn original_key_is_rotated_and_a_rotation_can_be_cancelled() {
    let mut stack = Options::default()
        .without_api()
        .workers(0)
        .worker_env("ROLLCALL_REPUBLISH_AFTER_SECONDS", 0.5)
        .start()
        .await;
    stack.execute("update installation set sealed_directly = true").await;
    stack.start_api().await;
    let first = submit(&stack, "first").await;

    let new = &[("ROLLCALL_NEW_KEY", NEW_KEY)];
    assert_eq!(rotate(&stack, &[], new).await.unwrap()["step"], "begun");
    assert_eq!(rotate(&stack, &["--cancel"], &[]).await.unwrap()["step"], "cancelled");
    let (status, _) = stack.refusal_of("rollcall-worker", WITH_NEW).await;
    assert_eq!(status, Some(2));
    assert_eq!(rotate(&stack, &[], new).await.unwrap()["step"], "begun");

    stack.stop_api().await;
    stack.start_api_with(WITH_NEW).await;
    eventually("the rotation can be finished", async || rotate(&stack, &["--finish"], WITH_NEW).await.ok())
        .await;
    let second = submit(&stack, "second").await;
    stack.start_worker_with(WITH_NEW);
    for job in [first, second] {
        stack.wait_for_result(&job).await.is(200, &result(&[Row::Created]));
    }
    eventually("both passwords are hashed", async || (hashed(&stack).await == 3).then_some(())).await;
}
