//! What the sender of an import should know although no row failed for it is on the job and in the header
//! `Import-Warning`; the result stays as it is (contract §3).

use reqwest::Method;
use rollcall_tests::harness::{Answer, Options, Row, Stack, result};
use serde_json::json;

const USERS: &str = "/api/import/users";
const JOBS: &str = "/api/import/jobs";
const FILE: &str = "username,enabled,staffmember\njane,y,y\n";

fn header_lines(answer: &Answer) -> Vec<&str> {
    answer.headers.get_all("import-warning").iter().map(|line| line.to_str().expect("ASCII")).collect()
}

/// Gives every import these warnings, as if the worker had found them.
async fn set_warnings(stack: &Stack, warnings: &[&str]) {
    let list = serde_json::to_string(warnings).unwrap().replace('\'', "''");
    stack
        .execute(&format!(
            "update imports set warnings = array(select jsonb_array_elements_text('{list}'::jsonb))"
        ))
        .await;
}

#[tokio::test]
async fn warnings_are_in_the_header_the_list_and_the_command() {
    let stack = Stack::new().await;
    let posted = stack.post_users(FILE).await;
    posted.is(200, &result(&[Row::Created]));
    assert!(header_lines(&posted).is_empty());
    let job = posted.location();
    let warnings = [
        "The column \"Größe\" is ignored.",
        "The column \"enabeld\"\r\nX-Injected: yes\u{1F600} is ignored.",
    ];
    set_warnings(&stack, &warnings).await;

    let expected = [
        "The column \"Gr\\u00f6\\u00dfe\" is ignored.",
        "The column \"enabeld\"\\u000d\\u000aX-Injected: yes\\ud83d\\ude00 is ignored.",
    ];
    let polled = stack.get(&job).await;
    polled.is(200, posted.text());
    assert_eq!(header_lines(&polled), expected);
    assert_eq!(polled.header("x-injected"), None);
    let waited = stack.send(stack.request(Method::GET, &job).header("prefer", "wait=5")).await;
    assert_eq!(header_lines(&waited), expected);
    let headed = stack.send(stack.request(Method::HEAD, &job)).await;
    assert_eq!(header_lines(&headed), expected);
    let listed = stack.get(JOBS).await;
    assert_eq!(listed.json()["jobs"][0]["warnings"], json!(warnings));
    assert!(header_lines(&listed).is_empty(), "a list is about many imports");

    let id = job.rsplit('/').next().unwrap();
    let shown = stack.rollcall(&["jobs", "show", id]).await.unwrap();
    assert!(shown.contains("Größe\" is ignored.\n"), "{shown}");
    assert_eq!(shown.lines().filter(|line| line.starts_with("Warning:")).count(), 2, "{shown}");
    let shown = stack.rollcall(&["--json", "jobs", "show", id]).await.unwrap();
    assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap()["warnings"], json!(warnings));

    // As many as fit into 2 KiB, and how many more there are.
    let many: Vec<String> =
        (0..200).map(|n| format!("The column \"column number {n}\" is ignored.")).collect();
    set_warnings(&stack, &many.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let polled = stack.get(&job).await;
    polled.is(200, posted.text());
    let lines = header_lines(&polled);
    let (last, first) = lines.split_last().unwrap();
    assert_eq!(first, &many[..first.len()]);
    assert!(first.len() > 20);
    assert_eq!(*last, format!("{} more warnings: GET {JOBS} lists them all.", many.len() - first.len()));
    let bytes: usize = lines.iter().map(|line| "import-warning: \r\n".len() + line.len()).sum();
    assert!(bytes <= 2048, "{bytes}");
}

#[tokio::test]
async fn warnings_are_sent_as_soon_as_they_are_known() {
    let mut stack = Options::default().workers(0).start().await;
    let upload = |prefer: &'static str| {
        stack.upload(USERS, FILE).header("prefer", prefer).header("idempotency-key", "one")
    };
    let accepted = stack.send(upload("respond-async")).await;
    assert_eq!(accepted.status, 202);
    set_warnings(&stack, &["It was noticed early."]).await;
    // The 202 to a poll, and to the same upload again.
    let polled = stack.get(&accepted.location()).await;
    assert_eq!((polled.status, &*header_lines(&polled)), (202, &["It was noticed early."][..]));
    for prefer in ["respond-async", "wait=0"] {
        let again = stack.send(upload(prefer)).await;
        assert_eq!((again.status, &*header_lines(&again)), (202, &["It was noticed early."][..]), "{prefer}");
    }
    // And the result of the POST.
    stack.start_worker();
    stack.wait_for_result(&accepted.location()).await;
    set_warnings(&stack, &["It was noticed late."]).await;
    let again = stack.send(stack.upload(USERS, FILE).header("idempotency-key", "one")).await;
    again.is(200, &result(&[Row::Created]));
    assert_eq!(header_lines(&again), ["It was noticed late."]);
    let cancelled = stack.send(stack.request(Method::DELETE, &accepted.location())).await;
    assert_eq!(cancelled.status, 409);
}
