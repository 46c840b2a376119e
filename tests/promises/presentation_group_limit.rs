//! A file cannot leave presentation groups without end (contract §4): an import makes a limited number of them, exactly in
//! file order, and those that no user is in any more are deleted.

use std::fmt::Write as _;

use rollcall_tests::harness::{Options, Row, Stack, eventually, result};
use rollcall_tests::oracle;
use rollcall_tests::tables;

const TOO_MANY: &str = "Field (presentationGroupLabel) names one presentation group too many. ";

async fn set_limit(stack: &Stack, groups: usize) {
    let groups = groups.to_string();
    stack.rollcall(&["tenant", "set", "school", "--presentation-group-limit", &groups]).await.unwrap();
}

async fn labels(stack: &Stack) -> usize {
    stack.rows("select from presentation_groups").await.len()
}

/// Rows that name new groups, old groups, and none; that are good, bad, and bad for several reasons.
fn hostile_file() -> String {
    let mut file = "username,enabled,staffmember,presentationgroup,email\n".to_owned();
    for row in 0..60 {
        let label = match row % 5 {
            0 | 1 => format!("new {row}"),
            2 => format!("new {}", row / 2),
            3 => "known".to_owned(),
            _ => String::new(),
        };
        let email = if row % 7 == 0 { "no address" } else { "" };
        let enabled = if row % 11 == 0 { "" } else { "y" };
        let user = if row % 13 == 12 { String::new() } else { format!("u{}", row % 45) };
        writeln!(file, "{user},{enabled},y,{label},{email}").unwrap();
    }
    file
}

async fn assert_like_oracle(stack: &Stack, oracle: &mut oracle::Tenant, location: &str, file: &str) -> usize {
    let answer = stack.wait_for_result(location).await;
    let expected = oracle.apply(oracle::Endpoint::Users, file.as_bytes(), None);
    assert!(expected.agrees_with(answer.status, &answer.body), "{}\n{}", answer.text(), expected.body);
    let mut conn = stack.database.connection().await.unwrap();
    let differences = tables::differences(&mut conn, stack.school().id, oracle).await;
    assert!(differences.is_empty(), "{differences:#?}");
    answer.text().matches("too many").count() / 2
}

fn oracle_with_limit(groups: usize) -> oracle::Tenant {
    let mut oracle = oracle::Tenant::new(oracle::PasswordPolicy::WhenChanged);
    oracle.presentation_group_limit = groups;
    tables::add_administrator(&mut oracle);
    oracle
}

#[tokio::test]
async fn limit_holds_in_file_order_with_parallel_chunks_and_after_a_resume() {
    let options = Options::default()
        .worker_env("ROLLCALL_CHUNK_ROWS", 3)
        .worker_env("ROLLCALL_PARALLEL_CHUNKS", 4)
        .worker_env("ROLLCALL_LEASE_SECONDS", 1)
        .worker_env("ROLLCALL_RELAY_INTERVAL_SECONDS", 0.1)
        .worker_env("ROLLCALL_REPUBLISH_AFTER_SECONDS", 0.3);
    let mut stack = options.workers(0).start().await;
    set_limit(&stack, 13).await;
    let mut oracle = oracle_with_limit(13);
    let file = hostile_file();
    // Killed after some chunks: the next attempt counts on.
    stack.start_worker_with(&[("ROLLCALL_CRASH_POINT", "after-chunk-commit:kill:6")]);
    let job = stack.submit(stack.school(), &file).await;
    stack.wait_until_worker_killed().await;
    let before = stack.row("select new_groups, rows_done from imports").await;
    assert!(before["rows_done"].as_i64().unwrap() >= 15, "{before}");
    stack.start_worker();
    let failed = assert_like_oracle(&stack, &mut oracle, &job, &file).await;
    assert!(failed > 5, "{failed}");
    println!("13 groups made, {failed} rows failed; killed at {before}");
    // The next import may make as many again.
    let job = stack.submit(stack.school(), &file).await;
    assert_like_oracle(&stack, &mut oracle, &job, &file).await;
    set_limit(&stack, 0).await;
    let one = "username,presentationgroup\nu1,another\nu2,known\n";
    stack.post_users(one).await.is(200, &result(&[Row::Failed(TOO_MANY), Row::Updated]));
}

#[tokio::test]
async fn ten_thousand_groups_are_the_default_limit_and_unused_ones_are_deleted() {
    const ROWS: usize = 12_000;
    let mut stack = Options::default().start().await;
    let mut file = "username,enabled,staffmember,presentationgroup\n".to_owned();
    for row in 0..ROWS {
        writeln!(file, "u{row},y,y,label {row}").unwrap();
    }
    let begun = std::time::Instant::now();
    let answer = stack.post_users(&file).await;
    let took = begun.elapsed();
    assert!(
        answer.text().contains("10000 users created. 0 users updated. 2000 users failed."),
        "{}",
        &answer.text()[..200]
    );
    assert_eq!(labels(&stack).await, 10_000);
    println!("{ROWS} labels: 10,000 groups, 2,000 rows failed, {took:?}");

    let mut moved = "username,presentationgroup\n".to_owned();
    for row in 0..10_000 {
        writeln!(moved, "u{row},label {}", row % 3).unwrap();
    }
    stack.post_users(&moved).await.is(200, "{\"success\":true,\"summary\":\"10000 users processed. 0 users created. 10000 users updated. 0 users failed.\"}");
    stack
        .execute("insert into presentation_groups (tenant_id, id, label, imported) select id, gen_random_uuid(), 'by the operator', false from tenants")
        .await;
    stack.stop_workers();
    let begun = std::time::Instant::now();
    stack.start_worker_with(&[("ROLLCALL_JANITOR_INTERVAL_SECONDS", "0.1")]);
    eventually("unused groups are deleted", async || (labels(&stack).await == 4).then_some(())).await;
    println!("9,997 unused groups deleted within {:?}", begun.elapsed());
    let swept = stack.row("select last_position = groups_swept_position as swept from tenants").await;
    assert_eq!(swept["swept"], true, "it is not searched again before its next import");
}

/// The janitor sweeps all the time while imports move users into groups that the import before has emptied.
#[tokio::test]
async fn no_group_is_deleted_that_an_import_puts_a_user_in() {
    let stack = Options::default()
        .workers(2)
        .worker_env("ROLLCALL_CHUNK_ROWS", 4)
        .worker_env("ROLLCALL_JANITOR_INTERVAL_SECONDS", 0.01)
        .start()
        .await;
    let mut oracle = oracle_with_limit(10_000);
    let mut deleted = 0;
    for round in 0..30 {
        let mut file = "username,enabled,staffmember,presentationgroup\n".to_owned();
        for user in 0..16 {
            // The labels of two rounds ago, which may be there still or not.
            writeln!(file, "u{user},y,y,label {} {}", round % 3, user % 5).unwrap();
        }
        let job = stack.submit(stack.school(), &file).await;
        assert_like_oracle(&stack, &mut oracle, &job, &file).await;
        deleted += usize::from(labels(&stack).await < 15);
        let lost = "select username from users where presentation_group_id is not null and not exists
            (select from presentation_groups g where g.tenant_id = users.tenant_id and g.id = presentation_group_id)";
        assert!(stack.rows(lost).await.is_empty(), "round {round}");
    }
    println!("30 imports; the janitor had deleted groups in {deleted} of them");
    assert!(deleted > 0);
}
