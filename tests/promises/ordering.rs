//! Imports of one tenant run one at a time in order of submission, whichever worker runs them (invariant 5).

use rollcall_tests::harness::{Answer, Options, Row, eventually, result};
use rollcall_tests::rosters::mixed::mixed;
use rollcall_tests::tables::assert_matches_oracle;
use serde_json::json;

const IMPORTS: usize = 50;

#[tokio::test]
async fn concurrent_uploads_run_one_after_another() {
    let stack = Options::fast_recovery()
        .workers(2)
        // Long enough for a busy machine: an expired lease is another topic.
        .worker_env("ROLLCALL_LEASE_SECONDS", 15)
        .start()
        .await;
    let school = stack.school().clone();
    let uploads: Vec<_> = (0..IMPORTS)
        .map(|number| {
            let file = mixed(10, &format!("number {number}"), 0);
            let request = stack.upload("/api/import/users", &file).header("prefer", "respond-async");
            tokio::spawn(async move { (Answer::read(request.send().await.unwrap()).await, file) })
        })
        .collect();
    let mut files = std::collections::HashMap::new();
    for upload in uploads {
        let (answer, file) = upload.await.unwrap();
        assert_eq!(answer.status, 202, "{}", answer.text());
        let id = answer.json()["id"].as_str().unwrap().to_owned();
        files.insert(id, file);
    }
    let line = stack.imports_in_order(&school).await;
    let files: Vec<&String> = line.iter().map(|id| &files[id]).collect();
    assert_matches_oracle(&stack, &school, &files).await;

    let overlapping = "select one.queue_position, other.queue_position as next
                         from imports one join imports other on other.queue_position = one.queue_position + 1
                        where other.started_at < one.finished_at or other.attempt <> 1";
    assert_eq!(stack.rows(overlapping).await, Vec::<serde_json::Value>::new());
    let holders = stack.rows("select distinct lease_holder from imports").await.len();
    println!("{holders} workers ran {IMPORTS} imports");
    stack.assert_nothing_left_over().await;
}

#[tokio::test]
async fn queued_imports_run_in_order_of_submission() {
    let mut stack = Options::default().workers(0).start().await;
    let file = |n: usize| format!("username,enabled,staffmember,surname\njane,y,y,{n}\nuser{n},y,y,\n");
    let mut jobs = Vec::new();
    for n in 0..8 {
        let upload = stack.upload("/api/import/users", file(n)).header("prefer", "respond-async");
        let accepted = stack.send(upload).await;
        assert_eq!(accepted.status, 202);
        jobs.push(accepted.header("location").unwrap().to_owned());
    }
    stack.start_worker();
    stack.start_worker();
    for (n, job) in jobs.iter().enumerate() {
        let jane = if n == 0 { Row::Created } else { Row::Updated };
        let answer = eventually("the import is finished", async || {
            let answer = stack.get(job).await;
            (answer.status == 200).then_some(answer)
        })
        .await;
        answer.is(200, &result(&[jane, Row::Created]));
    }
    assert_eq!(stack.row("select surname from users where username = 'jane'").await, json!({"surname": "7"}));
}
