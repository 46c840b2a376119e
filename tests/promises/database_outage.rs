//! Postgres may restart or be killed at any moment: what it had committed counts, what it had not is done again, and the
//! API says so meanwhile.

use rollcall_tests::harness::{Answer, DedicatedServer, Options, eventually};
use rollcall_tests::rosters::mixed::mixed;
use rollcall_tests::tables::assert_matches_oracle;

#[tokio::test]
async fn restart_or_kill_during_a_chunk_loses_nothing() {
    let postgres = DedicatedServer::postgres().await;
    let stack = Options::fast_recovery().postgres(&postgres).start().await;
    let school = stack.school().clone();
    let mut files = Vec::new();
    for dies in [false, true] {
        let lock = stack.lock_users().await;
        files.push(mixed(24, &format!("amid, dies: {dies}"), 0));
        let waiting = tokio::spawn(stack.upload("/api/import/users", files.last().unwrap()).send());
        stack.wait_for_blocked_chunk().await;
        if dies {
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
    eventually("it says that it is not ready", async || (!stack.is_ready().await).then_some(())).await;

    postgres.restart().await;
    eventually("it says that it is ready", async || stack.is_ready().await.then_some(())).await;
    assert_eq!(stack.post_users(&file).await.status, 200);
    assert_matches_oracle(&stack, stack.school(), &[file]).await;
    stack.assert_nothing_left_over().await;
}
