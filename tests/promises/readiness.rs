//! `GET /ready` says what keeps the service from accepting imports, also while another session has locked its tables.

use std::time::Instant;

use reqwest::Method;
use rollcall_schema::postgres::address::DatabaseAddress;
use rollcall_schema::postgres::pool::{Database, PoolSizes};
use rollcall_tests::harness::{Options, Stack, eventually};
use serde_json::json;

/// A session outside the service that locks a table until it is dropped.
async fn lock(stack: &Stack, statement: &str) -> rollcall_schema::postgres::client::Transaction {
    let address = DatabaseAddress::parse(&stack.test_database.url).unwrap();
    let database = Database::new(address, PoolSizes { connections: 1, sessions: 1 });
    let transaction = database.transaction_for_all().await.unwrap();
    transaction.begin().await.unwrap();
    transaction.batch_execute(statement).await.unwrap();
    transaction
}

#[tokio::test]
async fn readiness_names_the_table_that_is_locked() {
    let stack = Options::default().workers(0).start().await;
    let ready = async || {
        let answer = stack.send(stack.anonymous(Method::GET, "/ready")).await;
        (answer.status, answer.json(), answer.header("retry-after").map(str::to_owned))
    };
    let good = json!({"ready": true, "database": "ok", "uploads": "ok", "rabbitmq": "ok"});
    let is_ready = async || Some(ready().await).filter(|answer| *answer == (200, good.clone(), None));
    eventually("it is ready", is_ready).await;
    for (statement, table) in [
        ("lock table imports in access exclusive mode", "imports"),
        ("lock table users in access exclusive mode", "users"),
        ("lock table imports in share mode", "imports"),
    ] {
        let locked = lock(&stack, statement).await;
        let began = Instant::now();
        let answer =
            eventually("the lock is noticed", async || Some(ready().await).filter(|answer| answer.0 != 200))
                .await;
        println!("{statement}: {} after {:?}", answer.1, began.elapsed());
        let expected = json!({"ready": false, "database": "locked", "locked": [table], "uploads": "ok", "rabbitmq": "ok"});
        assert_eq!((answer.0, &answer.1), (503, &expected));
        assert!(answer.2.is_some(), "it says when to ask again");
        locked.roll_back().await.unwrap();
        eventually("it is ready again", is_ready).await;
    }
    // What only workers write does not keep an upload from being accepted.
    let locked = lock(&stack, "lock table users in share mode").await;
    let answer = stack.submit(stack.school(), "username\njane\n").await;
    assert!(!answer.is_empty());
    assert_eq!(ready().await.0, 200);
    drop(locked);
}
