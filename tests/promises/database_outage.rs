//! Postgres may restart or be killed at any time: what was committed stands, the rest is done again (invariants 1 and 3),
//! and in the meantime the API answers 503 and is not ready.

use rollcall_tests::harness::{Answer, DedicatedServer, Options, eventually};
use rollcall_tests::rosters::mixed::mixed;
use rollcall_tests::tables::assert_matches_oracle;

#[tokio::test]
async fn restart_or_kill_during_a_chunk_loses_nothing() {
    let postgres = DedicatedServer::postgres().await;
    let stack = Options::fast_recovery().postgres(&postgres).start().await;
    let school = stack.school().clone();
    let mut files = Vec::new();
    for killed in [false, true] {
        let lock = stack.lock_users().await;
        files.push(mixed(24, &format!("running, killed: {killed}"), 0));
        let waiting = tokio::spawn(stack.upload("/api/import/users", files.last().unwrap()).send());
        stack.wait_for_blocked_chunk().await;
        if killed {
            postgres.kill().await;
        }
        postgres.restart().await;
        drop(lock);
        let answer = Answer::read(waiting.await.unwrap().unwrap()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_matches_oracle(&stack, &school, &files).await;
    }
    stack.assert_nothing_left_over().await;
}

#[tokio::test]
async fn uploads_are_refused_during_an_outage() {
    let postgres = DedicatedServer::postgres().await;
    let stack = Options::fast_recovery().postgres(&postgres).start().await;
    let file = mixed(24, "again", 0);
    postgres.stop().await;
    let refused = stack.post_users(&file).await;
    assert!(refused.header("retry-after").is_some(), "{refused:?}");
    refused.is_failure(503);
    eventually("the API is not ready", async || (!stack.is_ready().await).then_some(())).await;

    postgres.restart().await;
    eventually("the API is ready", async || stack.is_ready().await.then_some(())).await;
    assert_eq!(stack.post_users(&file).await.status, 200);
    assert_matches_oracle(&stack, stack.school(), &[file]).await;
    stack.assert_nothing_left_over().await;
}
