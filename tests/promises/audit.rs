//! The audit says who imported, cancelled and changed tenants, groups, administrators and tokens, from where and with which
//! result. A row is added with what it tells of or not at all, and is never changed.

use diesel_async::SimpleAsyncConnection as _;
use reqwest::Method;
use rollcall_tests::harness::{ADMINISTRATOR, Options, Row, Stack, binary_path, result};
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;

const JANE: &str = "username,enabled,staffmember,password\njane,y,y,swordfish\n";

async fn audit(stack: &Stack, arguments: &[&str]) -> Vec<Value> {
    let output = stack.rollcall(&[&["audit", "--json"], arguments].concat()).await.unwrap();
    let mut rows: Vec<Value> = serde_json::from_str(&output).unwrap();
    rows.reverse();
    rows
}

/// The rows as texts: who did what to what.
fn told(rows: &[Value]) -> Vec<String> {
    let text = |row: &Value, key: &str| row[key].as_str().unwrap_or("-").to_owned();
    rows.iter()
        .map(|row| {
            let actor =
                if row["actorKind"] == "operator" { "operator".to_owned() } else { text(row, "actor") };
            format!("{actor}: {} {} ({})", text(row, "action"), text(row, "object"), text(row, "details"))
        })
        .collect()
}

#[tokio::test]
async fn operators_and_administrators_are_named_with_what_they_did() {
    let mut stack = Options::default().start().await;
    for arguments in [
        &["tenant", "add", "north"][..],
        &["tenant", "set", "north", "--upload-limit", "500MB", "--add-host", "north.example"],
        &["group", "add", "north", "Librarians", "--system", "--grants-administration"],
        &["group", "add", "north", "Year 9", "--library"],
        &["token", "add", "north", "--name", "nightly"],
        &["token", "remove", "north", "nightly"],
    ] {
        stack.rollcall(arguments).await.unwrap_or_else(|error| panic!("{arguments:?}: {error}"));
    }
    // What changes nothing, or fails, is not told.
    stack.rollcall(&["tenant", "add", "north", "--if-missing"]).await.unwrap();
    stack.rollcall(&["tenant", "add", "north"]).await.unwrap_err();
    stack.rollcall(&["group", "add", "north", "Year 9", "--library"]).await.unwrap();
    let mut command = tokio::process::Command::new(binary_path("rollcall"))
        .args(["admin", "add", "north", "head"])
        .env("DATABASE_URL", &stack.test_database.url)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    command.stdin.take().unwrap().write_all(b"swordfish\n").await.unwrap();
    assert!(command.wait().await.unwrap().success());

    let rows = audit(&stack, &["north"]).await;
    let told_of = told(&rows);
    assert_eq!(told_of.len(), 7, "{told_of:#?}");
    for (told, expected) in told_of.iter().zip([
        "operator: tenant added north (-)",
        "operator: tenant changed north (host names added: north.example; upload limit: 500.0 MB)",
        "operator: group added Librarians (a system group that grants administration)",
        "operator: group added Year 9 (a library group)",
        "operator: token added nightly (expires ",
        "operator: token removed nightly (-)",
        "operator: administrator added head (created)",
    ]) {
        assert!(told.starts_with(expected), "{told} is not {expected}");
    }
    let user = nix::unistd::User::from_uid(nix::unistd::getuid()).unwrap().unwrap().name;
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    for row in &rows {
        assert!(row["actor"].as_str().is_some_and(|actor| actor.starts_with(&user)), "{row}");
        assert_eq!((&row["origin"], &row["tenant"]), (&host.trim().into(), &"north".into()));
    }

    // Imports, with their result; a cancelled one; and a retry.
    stack.post_users_of(stack.school(), JANE).await.is(200, &result(&[Row::Created]));
    stack.stop_workers();
    let job = stack.submit(stack.school(), JANE).await;
    let id = job.rsplit('/').next().unwrap().to_owned();
    let delete = || stack.request(Method::DELETE, &format!("{job}?tenantId=school"));
    assert_eq!(stack.send(delete()).await.status, 200);
    assert_eq!(stack.send(delete()).await.status, 200, "told once");
    stack.rollcall(&["jobs", "retry", &id]).await.unwrap();
    stack.rollcall(&["jobs", "cancel", &id]).await.unwrap();
    let rows = audit(&stack, &["school", "--since", "1d"]).await;
    let told_of = told(&rows);
    assert_eq!(
        told_of[1..],
        [
            format!("{ADMINISTRATOR}: import submitted {id} (users, {} bytes)", JANE.len()),
            format!("{ADMINISTRATOR}: import cancelled {id} (-)"),
            format!("operator: import retried {id} (-)"),
            format!("operator: import cancelled {id} (-)"),
        ]
    );
    assert_eq!(rows[0]["result"], "imported: 1 created, 0 updated, 0 failed");
    assert_eq!(rows[1]["result"], "cancelled: 0 created, 0 updated, 0 failed");
    assert!(rows[..3].iter().all(|row| row["origin"] == "127.0.0.1" && row["actorKind"] == "administrator"));
    assert_eq!(audit(&stack, &["--since", "2999-01-01"]).await.len(), 0);
    let all = audit(&stack, &[]).await;
    assert_eq!(all.len(), 7 + rows.len());
    // As text, too.
    let text = stack.rollcall(&["audit", "school"]).await.unwrap();
    assert!(text.starts_with("AT ") && text.contains("imported: 1 created"), "{text}");
    // No cell of a file but the names of accounts that act (invariant 12).
    assert!(!format!("{all:?}").contains("jane") && !format!("{all:?}").contains("swordfish"));
}

#[tokio::test]
async fn a_group_import_that_makes_administrators_names_them() {
    let stack = Stack::new().await;
    let token = stack.rollcall(&["token", "add", "school", "--name", "nightly"]).await.unwrap();
    let users = "username,enabled,staffmember\njane,y,y\njoe,y,y\n";
    stack.post_users(users).await.is(200, &result(&[Row::Created; 2]));
    let upload = |file: &str| {
        let (content_type, body) = rollcall_tests::harness::multipart("", file.as_bytes());
        stack
            .anonymous(Method::POST, "/api/import/userGroups")
            .header("authorization", format!("Bearer {}", token.trim_end()))
            .header("content-type", content_type)
            .body(body)
    };
    let file = "username,library-group,system-group\njane,,Administrators\n";
    let answer = stack.send(upload(file)).await;
    answer.is(200, &result(&[Row::Updated]));
    let id = answer.location().rsplit('/').next().unwrap().to_owned();
    stack.send(upload(file)).await.is(200, &result(&[Row::Updated]));
    let rows = audit(&stack, &["school"]).await;
    let added: Vec<_> = rows.iter().filter(|row| row["action"] == "administrator added").collect();
    assert_eq!(added.len(), 1, "{rows:#?}");
    let expected = format!("member of Administrators, by the import {id}");
    assert_eq!(
        (&added[0]["actorKind"], &added[0]["actor"], &added[0]["object"], &added[0]["origin"]),
        (&"token".into(), &"nightly".into(), &"jane".into(), &"127.0.0.1".into())
    );
    assert_eq!(added[0]["details"], expected);
    assert!(!format!("{rows:?}").contains("joe"));
}

#[tokio::test]
async fn rows_are_only_added() {
    let stack = Options::default().workers(0).without_api().without_tenant().start().await;
    stack.rollcall(&["tenant", "add", "north"]).await.unwrap();
    let mut conn = stack.database.connection().await.unwrap();
    for statement in [
        "update audit set actor = 'another'",
        "delete from audit",
        "truncate audit",
        "begin; set local rollcall.forgetting_audit = 'yes'; update audit set actor = 'another'",
    ] {
        let error = conn.batch_execute(statement).await.unwrap_err().to_string();
        assert!(error.contains("append-only"), "{statement}: {error}");
        let _ = conn.batch_execute("rollback").await;
    }
    // A role that was given every right on the table and is not held back by row-level security either; and the retention
    // that only the owner may run.
    let role = format!("audit_{}", std::process::id());
    conn.batch_execute(&format!(
        "create role {role} bypassrls; grant all on audit to {role}; set role {role}; set rollcall.forgetting_audit = 'yes'"
    ))
    .await
    .unwrap();
    let mut errors = Vec::new();
    for statement in ["delete from audit", "truncate audit", "select forget_audit(now())"] {
        errors.push(conn.batch_execute(statement).await.unwrap_err().to_string());
    }
    conn.batch_execute("reset role; reset rollcall.forgetting_audit").await.unwrap();
    conn.batch_execute(&format!("revoke all on audit from {role}; drop role {role}")).await.unwrap();
    assert!(errors[..2].iter().all(|error| error.contains("append-only")), "{errors:?}");
    assert!(errors[2].contains("permission denied"), "{errors:?}");
    assert_eq!(audit(&stack, &[]).await.len(), 1);

    drop(conn);
    assert_eq!(stack.row("select forget_audit(now() - interval '1 day')").await["forget_audit"], 0);
    assert_eq!(stack.row("select forget_audit(now() + interval '1 day')").await["forget_audit"], 1);
    assert_eq!(audit(&stack, &[]).await.len(), 0);
}
