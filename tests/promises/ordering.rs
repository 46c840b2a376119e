//! Imports of one tenant run one after another, in the order in which they were accepted, whoever works on them.

use rollcall_tests::harness::{Answer, Options};
use rollcall_tests::rosters::mixed::mixed;
use rollcall_tests::tables::assert_matches_oracle;

const IMPORTS: usize = 50;

#[tokio::test]
async fn concurrent_uploads_run_one_after_another() {
    let stack = Options::fast_recovery()
        .workers(2)
        // Long enough for a busy machine: a lease that ran out would be another thing.
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

    let overlapping = "select one.place, other.place as next
                         from imports one join imports other on other.place = one.place + 1
                        where other.started_at < one.finished_at or other.attempt <> 1";
    assert_eq!(stack.rows(overlapping).await, Vec::<serde_json::Value>::new());
    let holders = stack.rows("select distinct lease_holder from imports").await.len();
    println!("{IMPORTS} imports were worked on by {holders} workers");
    stack.assert_nothing_left_over().await;
}
