//! Nothing sealed is lost to a wrong key (invariant 10): a process whose key is not the installation's does not start, and
//! what a process cannot open waits for one that can.

use rollcall_tests::harness::{Options, Row, Stack, eventually, result};
use serde_json::json;

const OTHER_KEY: &str = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100";
const FILE: &str = "username,enabled,staffmember,password\njane,y,y,swordfish\njohn,y,y,tiger lily\n";
const WRONG: &[(&str, &str)] = &[("ROLLCALL_KEY", OTHER_KEY)];

async fn assert_refused(stack: &Stack) {
    for binary in ["rollcall-api", "rollcall-worker"] {
        let (status, errors) = stack.refusal_of(binary, WRONG).await;
        let last = errors.lines().last().unwrap_or_default();
        assert_eq!(status, Some(2), "{errors}");
        assert!(last.contains("ROLLCALL_KEY is not the key of this installation"), "{last}");
        assert!(last.contains("Set it to the key that the installation's other processes have"), "{last}");
        assert!(!errors.contains(OTHER_KEY), "{errors}");
        println!("{last}");
    }
}

async fn waiting_passwords(stack: &Stack) -> usize {
    stack.rows("select from users where password_sealed is not null").await.len()
}

async fn wait_until_hashed(stack: &Stack, users: usize) {
    eventually("every password is hashed", async || (waiting_passwords(stack).await == 0).then_some(()))
        .await;
    let hashed = stack.rows("select from users where password_hash is not null").await.len();
    // With the administrator.
    assert_eq!(hashed, users + 1);
}

#[tokio::test]
async fn process_with_another_key_does_not_start_and_loses_nothing() {
    let mut stack = Options::default().worker_env("ROLLCALL_WORKER_HASHING_THREADS", 0).start().await;
    stack.post_users(FILE).await.is(200, &result(&[Row::Created; 2]));
    stack.stop_workers();
    let queued = stack.submit(stack.school(), "username,enabled,staffmember,password\nmary,y,y,rose\n").await;
    assert_refused(&stack).await;
    let error = stack.rollcall_with(&["keys", "rotate"], &[WRONG[0], ("ROLLCALL_NEW_KEY", OTHER_KEY)]).await;
    assert!(error.unwrap_err().contains("is not this installation's"));
    let status = stack.rollcall_with(&["keys", "status"], WRONG).await.unwrap();
    assert!(status.contains("ROLLCALL_KEY is not a key of this installation."), "{status}");

    let pending = stack.row("select failures, state from imports where finished_at is null").await;
    assert_eq!(pending, json!({"failures": 0, "state": "queued"}));
    assert_eq!(waiting_passwords(&stack).await, 2);
    stack.start_worker_with(&[("ROLLCALL_WORKER_HASHING_THREADS", "1")]);
    stack.wait_for_result(&queued).await.is(200, &result(&[Row::Created]));
    wait_until_hashed(&stack, 3).await;
}

#[tokio::test]
async fn first_processes_agree_on_the_keys() {
    let mut stack = Options::default().without_api().workers(0).start().await;
    for _ in 0..3 {
        stack.start_worker();
    }
    stack.start_api().await;
    stack.post_users(FILE).await.is(200, &result(&[Row::Created; 2]));
    wait_until_hashed(&stack, 2).await;
    stack.assert_no_process_exited();
    let keys =
        stack.row("select (select count(*) from service_keys) as service, count(*) as data from data_keys");
    assert_eq!(keys.await, json!({"service": 1, "data": 2}));
    let status: serde_json::Value =
        serde_json::from_str(&stack.rollcall(&["keys", "status", "--json"]).await.unwrap()).unwrap();
    assert_eq!(status["service_keys"][0]["id"], status["given"]);
    assert_eq!(status["service_keys"][0]["processes"], json!(["rollcall-api", "rollcall-worker"]));
}

/// An installation of the version before has no data keys: everything is sealed with keys derived from its service key.
#[tokio::test]
async fn installation_without_data_keys_goes_on_with_its_own_key_only() {
    let mut stack = Options::default().without_api().workers(0).start().await;
    stack.execute("update installation set sealed_directly = true").await;
    stack.start_api().await;
    stack.start_worker_with(&[("ROLLCALL_WORKER_HASHING_THREADS", "0")]);
    stack.post_users(FILE).await.is(200, &result(&[Row::Created; 2]));
    stack.stop_workers();
    let queued = stack.submit(stack.school(), "username,enabled,staffmember,password\nmary,y,y,rose\n").await;
    stack.stop_api().await;
    for upload in stack.stored_files() {
        assert!(std::fs::read(upload).unwrap().starts_with(b"RCU1"), "the version before can open it");
    }
    stack.execute("truncate wrapped_keys, data_keys, service_keys").await;
    stack.execute("update installation set upload_store = null").await;
    std::fs::remove_dir_all(stack.uploads().join("installations")).unwrap();

    assert_refused(&stack).await;
    assert!(stack.rows("select from data_keys").await.is_empty());
    stack.start_worker();
    stack.start_api().await;
    stack.wait_for_result(&queued).await.is(200, &result(&[Row::Created]));
    wait_until_hashed(&stack, 3).await;
    // The passwords that the version before has fingerprinted count as unchanged.
    stack.post_users(FILE).await.is(200, &result(&[Row::Updated; 2]));
    assert_eq!(waiting_passwords(&stack).await, 0);
    assert_refused(&stack).await;
}

/// As for a worker that could not read the keys while the service key was rotated.
#[tokio::test]
async fn upload_under_an_unknown_data_key_waits_uncharged() {
    let mut stack = Options::default()
        .workers(0)
        .worker_env("ROLLCALL_MAX_ATTEMPTS", 1)
        .worker_env("ROLLCALL_RELAY_INTERVAL_SECONDS", 0.1)
        .worker_env("ROLLCALL_REPUBLISH_AFTER_SECONDS", 0.3)
        .start()
        .await;
    let job = stack.submit(stack.school(), FILE).await;
    let upload = stack.stored_files().remove(0);
    let sealed = std::fs::read(&upload).unwrap();
    let mut foreign = sealed.clone();
    assert!(foreign.starts_with(b"RCU2"));
    foreign[4..8].copy_from_slice(&99_i32.to_be_bytes());
    std::fs::write(&upload, foreign).unwrap();
    stack.start_worker();
    for attempt in 1..=3 {
        eventually("an attempt fails", async || {
            let import = stack.row("select attempt, failures, state from imports").await;
            assert_eq!(import["failures"], 0);
            (import["attempt"] == attempt && import["state"] == "queued").then_some(())
        })
        .await;
        stack.execute("update imports set not_before = now()").await;
    }
    std::fs::write(&upload, sealed).unwrap();
    stack.execute("update imports set not_before = now()").await;
    stack.wait_for_result(&job).await.is(200, &result(&[Row::Created; 2]));
    println!("3 attempts without the key: none counted, with ROLLCALL_MAX_ATTEMPTS=1");
}

/// A login whose password cannot be opened is neither right nor wrong.
#[tokio::test]
async fn login_under_an_unknown_data_key_is_answered_503_and_drops_nothing() {
    let stack = Options::default().worker_env("ROLLCALL_WORKER_HASHING_THREADS", 0).start().await;
    stack.post_users(FILE).await.is(200, &result(&[Row::Created; 2]));
    let login = async |password: &str| {
        let request = stack.anonymous(reqwest::Method::GET, "/api/import/jobs");
        stack.send(request.basic_auth("jane", Some(password))).await
    };
    let sealed =
        "update users set password_sealed = overlay(password_sealed placing '\\x00000063'::bytea from 5)
                   where username = 'jane'";
    stack.execute(sealed).await;
    let answer = login("swordfish").await;
    assert!(answer.header("retry-after").is_some());
    answer.is_failure(503);
    assert_eq!(waiting_passwords(&stack).await, 2);
    let restored =
        "update users set password_sealed = overlay(password_sealed placing '\\x00000002'::bytea from 5)
                     where username = 'jane'";
    stack.execute(restored).await;
    login("swordfish").await.is_failure(403);
}
