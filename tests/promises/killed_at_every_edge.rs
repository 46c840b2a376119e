//! A process that is killed leaves what a clean run leaves: on each edge of what the API and the worker do for good, one
//! is killed there by SIGKILL and started again, and the results, the counters and the tables are the oracle's.
//!
//! `ROLLCALL_EDGES` tries only those whose name contains it.

use std::fmt::Write as _;
use std::time::Instant;

use reqwest::Method;
use rollcall_schema::edge::Edge;
use rollcall_tests::harness::{Options, Stack, can_be_killed_on_edges, eventually, side_by_side};
use rollcall_tests::oracle::{self, Endpoint, PasswordPolicy};
use rollcall_tests::tables;
use serde_json::Value;

/// Stacks at once.
const AT_ONCE: usize = 12;
/// Rows of a roster, and of a chunk: three chunks.
const ROWS: usize = 24;
const CHUNK: usize = 8;

/// Who dies, and at what.
#[derive(Debug, Clone, Copy)]
enum Victim {
    /// The API, while it takes an upload.
    Uploading,
    /// The API, while it cancels an import.
    Cancelling,
    /// A worker, from the wake-up to the last hash, when it is on the edge for the nth time.
    Working(u32),
    /// A worker, when it wakes the tenant's next import.
    WakingNext,
    /// A worker, when its relay publishes what the API had committed and not published.
    Relaying,
    /// A worker, when its relay sees to passwords of which nothing is heard.
    RelayingTurns,
    /// A worker, amid a chunk that takes long.
    Lingering,
    /// A worker that is to stop amid an import.
    Stopping,
    /// A worker that finds that a file cannot be imported.
    Refusing,
    /// A worker that gives an import up.
    GivingUp,
    /// A worker, when it deletes uploads that nobody needs.
    Cleaning,
}

/// Who can come to an edge. Exhaustive: an edge that is added must be said here how to reach.
fn victims(edge: Edge) -> &'static [Victim] {
    use Victim::{
        Cancelling, Cleaning, GivingUp, Lingering, Refusing, Relaying, RelayingTurns, Stopping, Uploading,
        WakingNext, Working,
    };
    match edge {
        Edge::BetweenUploadParts
        | Edge::BeforeUploadFinish
        | Edge::AfterUploadFinish
        | Edge::BeforeSubmitCommit
        | Edge::AfterSubmitCommit => &[Uploading],
        Edge::BeforeWakeUpPublish
        | Edge::AfterWakeUpPublish
        | Edge::AfterWakeUpConfirm
        | Edge::BeforeWokenCommit
        | Edge::AfterWokenCommit => &[Uploading, WakingNext, Relaying],
        Edge::BeforeChunkCommit | Edge::AfterChunkCommit => &[Working(1), Working(2), Working(3)],
        Edge::BeforeClaimCommit
        | Edge::AfterClaimCommit
        | Edge::BeforeWakeUpAck
        | Edge::AfterWakeUpAck
        | Edge::BeforePassCommit
        | Edge::AfterPassCommit
        | Edge::BeforeTurnPublish
        | Edge::AfterTurnPublish
        | Edge::AfterTurnConfirm
        | Edge::BeforeBatchCommit
        | Edge::AfterBatchCommit
        | Edge::BeforeHashesCommit
        | Edge::AfterHashesCommit
        | Edge::BeforeTurnAck
        | Edge::AfterTurnAck => &[Working(1)],
        Edge::AfterTurnClaimCommit => &[RelayingTurns],
        Edge::BeforeRenewCommit
        | Edge::AfterRenewCommit
        | Edge::BeforeTotalCommit
        | Edge::AfterTotalCommit => &[Lingering],
        Edge::BeforeReleaseCommit | Edge::AfterReleaseCommit => &[Stopping],
        Edge::BeforeEndCommit | Edge::AfterEndCommit => &[Refusing, GivingUp],
        Edge::BeforeDeadLetterPublish
        | Edge::AfterDeadLetterPublish
        | Edge::AfterDeadLetterConfirm
        | Edge::AfterDeadLetterCommit => &[GivingUp],
        Edge::BeforeCancelCommit | Edge::AfterCancelCommit => &[Cancelling],
        Edge::BeforeUploadsDeletedCommit | Edge::AfterUploadsDeletedCommit => &[Cleaning],
    }
}

#[test]
fn and_the_outcome_is_that_of_a_clean_run() {
    assert!(can_be_killed_on_edges(), "the service was built without edges: build it as tests/run does");
    let begun = Instant::now();
    let killings: Vec<(Edge, Victim)> = Edge::ALL
        .iter()
        .flat_map(|&edge| victims(edge).iter().map(move |&victim| (edge, victim)))
        .filter(|(edge, victim)| is_asked_for(&format!("{} {victim:?}", edge.name())))
        .collect();
    let failed = side_by_side(AT_ONCE, &killings, |&(edge, victim)| kill(edge, victim));
    println!("{} killings in {:.1} s", killings.len(), begun.elapsed().as_secs_f64());
    let failed: Vec<String> =
        failed.iter().map(|(edge, victim)| format!("{} while {victim:?}", edge.name())).collect();
    assert!(failed.is_empty(), "killed here, the outcome is another: {failed:#?}");
}

/// See above.
fn is_asked_for(name: &str) -> bool {
    std::env::var("ROLLCALL_EDGES").map_or(true, |wanted| name.contains(&wanted))
}

async fn kill(edge: Edge, victim: Victim) {
    match victim {
        Victim::Uploading => uploading(edge).await,
        Victim::Cancelling => cancelling(edge).await,
        Victim::Working(nth) => working(edge, nth).await,
        Victim::WakingNext => waking_next(edge).await,
        Victim::Relaying => relaying(edge).await,
        Victim::RelayingTurns => relaying_turns(edge).await,
        Victim::Lingering => lingering(edge).await,
        Victim::Stopping => stopping(edge).await,
        Victim::Refusing => refusing(edge).await,
        Victim::GivingUp => giving_up(edge).await,
        Victim::Cleaning => cleaning(edge).await,
    }
}

async fn uploading(edge: Edge) {
    let mut stack = options().workers(1).without_api().start().await;
    stack.start_api_with(&[("ROLLCALL_EDGE", &on(edge, 1))]).await;
    // Larger than a part, so that there is something between two.
    let file = roster("uploaded", 20_000);
    let sent = tokio::spawn(stack.upload("/api/import/users", &file).send());
    stack.api_killed().await;
    let answer = sent.await.unwrap();
    stack.start_api().await;

    let accepted = imports(&stack).await;
    assert!(accepted.len() <= 1, "one upload is one import at most");
    if accepted.is_empty() {
        assert!(answer.is_err(), "what was not accepted was not answered");
        as_the_oracle(&stack, &[]).await;
    } else {
        as_the_oracle(&stack, &[&file]).await;
    }
    // The client, who saw no answer, sends it again.
    let again = vec![&file; accepted.len() + 1];
    assert_eq!(stack.post_users(&file).await.status, 200);
    as_the_oracle(&stack, &again).await;
}

async fn cancelling(edge: Edge) {
    let mut stack = options().without_api().start().await;
    stack.start_api_with(&[("ROLLCALL_EDGE", &on(edge, 1))]).await;
    let file = roster("cancelled", 0);
    let location = post(&stack, &file).await;
    let cancel = tokio::spawn(stack.request(Method::DELETE, &location).send());
    stack.api_killed().await;
    assert!(cancel.await.unwrap().is_err(), "it is killed before it answers");
    stack.start_api().await;
    stack.start_worker();
    if edge == Edge::BeforeCancelCommit {
        as_the_oracle(&stack, &[&file]).await;
        return;
    }
    let summary = stack.get(&location).await.is_failure(200);
    assert!(summary.starts_with("The import was cancelled by"), "{summary}");
    no_users(&stack).await;
    assert_eq!(stack.post_users(&file).await.status, 200);
    stack.nothing_is_left_over().await;
}

async fn working(edge: Edge, nth: u32) {
    let mut stack = options().start().await;
    let file = roster("worked on", 0);
    post(&stack, &file).await;
    stack.start_worker_with(&[("ROLLCALL_EDGE", &on(edge, nth))]);
    stack.worker_killed().await;
    stack.start_worker();
    as_the_oracle(&stack, &[&file]).await;
}

async fn waking_next(edge: Edge) {
    let mut stack = options().start().await;
    let files = [roster("first", 0), roster("second", 0)];
    for file in &files {
        post(&stack, file).await;
    }
    // Only the first is published by the API: the worker comes to the edge with the second.
    stack.start_worker_with(&[("ROLLCALL_EDGE", &on(edge, 1))]);
    stack.worker_killed().await;
    stack.start_worker();
    as_the_oracle(&stack, &[&files[0], &files[1]]).await;
}

async fn relaying(edge: Edge) {
    let mut stack = options().without_api().start().await;
    stack.start_api_with(&[("ROLLCALL_EDGE", &on(Edge::AfterSubmitCommit, 1))]).await;
    let file = roster("relayed", 0);
    let sent = tokio::spawn(stack.upload("/api/import/users", &file).send());
    stack.api_killed().await;
    assert!(sent.await.unwrap().is_err(), "it is killed before it answers");
    stack.start_worker_with(&[("ROLLCALL_EDGE", &on(edge, 1))]);
    stack.worker_killed().await;
    stack.start_api().await;
    stack.start_worker();
    as_the_oracle(&stack, &[&file]).await;
}

async fn relaying_turns(edge: Edge) {
    let mut stack = options().start().await;
    let file = roster("hashed", 0);
    post(&stack, &file).await;
    for edge in [Edge::BeforePassCommit, edge] {
        stack.start_worker_with(&[("ROLLCALL_EDGE", &on(edge, 1))]);
        stack.worker_killed().await;
    }
    stack.start_worker();
    as_the_oracle(&stack, &[&file]).await;
}

async fn lingering(edge: Edge) {
    let mut stack = options().start().await;
    let file = roster("lingering", 0);
    post(&stack, &file).await;
    // The chunk waits for the lock, and its worker renews the lease meanwhile and counts the rows.
    let lock = stack.lock_users().await;
    stack.start_worker_with(&[("ROLLCALL_EDGE", &on(edge, 1))]);
    stack.worker_killed().await;
    drop(lock);
    stack.start_worker();
    as_the_oracle(&stack, &[&file]).await;
}

async fn stopping(edge: Edge) {
    let mut stack =
        options().worker_env("ROLLCALL_CHUNK_ROWS", 1).worker_env("ROLLCALL_LANES", 1).start().await;
    let file = roster("given back", 0);
    post(&stack, &file).await;
    let amid = format!("{}:stop:1,{}", Edge::AfterChunkCommit.name(), on(edge, 1));
    stack.start_worker_with(&[("ROLLCALL_EDGE", &amid)]);
    stack.worker_frozen(0).await;
    stack.worker(0).ask_to_stop();
    stack.worker_killed().await;
    stack.start_worker();
    as_the_oracle(&stack, &[&file]).await;
}

async fn refusing(edge: Edge) {
    let mut stack = options().start().await;
    let location = post(&stack, "no,such,columns\n1,2,3\n").await;
    stack.start_worker_with(&[("ROLLCALL_EDGE", &on(edge, 1))]);
    stack.worker_killed().await;
    stack.start_worker();
    let summary = finished(&stack, &location).await.is_failure(200);
    assert!(summary.contains("username"), "{summary}");
    no_users(&stack).await;
    let file = roster("next", 0);
    assert_eq!(stack.post_users(&file).await.status, 200);
    stack.nothing_is_left_over().await;
}

async fn giving_up(edge: Edge) {
    let mut stack = options().worker_env("ROLLCALL_MAX_ATTEMPTS", 1).start().await;
    let location = post(&stack, &roster("given up", 0)).await;
    std::fs::remove_dir_all(stack.uploads()).unwrap();
    stack.start_worker_with(&[("ROLLCALL_EDGE", &on(edge, 1))]);
    stack.worker_killed().await;
    stack.start_worker();
    let summary = finished(&stack, &location).await.is_failure(200);
    assert!(summary.starts_with("The import was given up after 1 attempt"), "{summary}");
    no_users(&stack).await;
    stack.eventually_none("select from imports where failure_kind = 'abandoned' and woken_at is null").await;
    assert!((1..=2).contains(&stack.dead_letters().await), "it is among the dead letters");
    let file = roster("next", 0);
    assert_eq!(stack.post_users(&file).await.status, 200);
    stack.nothing_is_left_over().await;
}

async fn cleaning(edge: Edge) {
    let mut stack = options().worker_env("ROLLCALL_UPLOAD_RETENTION_DAYS", 0).start().await;
    let file = roster("cleaned up", 0);
    post(&stack, &file).await;
    stack.start_worker_with(&[("ROLLCALL_EDGE", &on(edge, 1))]);
    stack.worker_killed().await;
    stack.start_worker();
    as_the_oracle(&stack, &[&file]).await;
    stack.eventually_none("select from imports where upload_deleted_at is null").await;
    eventually("no upload is kept", async || stack.stored_files().is_empty().then_some(())).await;
}

/// A stack that loses little time over a death.
fn options() -> Options {
    Options::default()
        .workers(0)
        .worker_env("ROLLCALL_CHUNK_ROWS", CHUNK)
        .worker_env("ROLLCALL_LANES", 2)
        .worker_env("ROLLCALL_SMALL_LANE", 2)
        .worker_env("ROLLCALL_BULK_LANE", 1)
        .worker_env("ROLLCALL_LEASE_SECONDS", 1.5)
        .worker_env("ROLLCALL_RELAY_SECONDS", 0.1)
        .worker_env("ROLLCALL_WAKE_UP_PATIENCE_SECONDS", 0.5)
        .worker_env("ROLLCALL_WORKER_HASHING_THREADS", 1)
        .worker_env("ROLLCALL_CLEANING_SECONDS", 0.3)
        .worker_env("ROLLCALL_HALF_UPLOAD_SECONDS", 5)
}

fn on(edge: Edge, nth: u32) -> String {
    format!("{}:kill:{nth}", edge.name())
}

/// Rows that create, fail, take one another's barcodes and come twice; `padding` bytes besides in each.
fn roster(form_class: &str, padding: usize) -> String {
    let mut file =
        "username,emailaddress,librarybarcode,enabled,staffmember,presentationgrouplabel,formclass,\
                    password,ignored\n"
            .to_owned();
    for row in 0..ROWS {
        let user = if row == 20 { 5 } else { row };
        let email = if row % 7 == 3 { "no address" } else { "someone@example.org" };
        let barcode = if row == 10 { 4 } else { user };
        let group = row % 3;
        let password = if row % 8 == 1 { "a secret" } else { "" };
        let padding = "x".repeat(padding);
        writeln!(
            file,
            "user{user},{email},b{barcode},y,y,group {group},{form_class} {row},{password},{padding}"
        )
        .unwrap();
    }
    file
}

/// Posts a file without waiting for its result; returns where that will be.
async fn post(stack: &Stack, file: &str) -> String {
    let answer = stack.send(stack.upload("/api/import/users", file).header("prefer", "respond-async")).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    answer.header("location").unwrap().to_owned()
}

async fn finished(stack: &Stack, location: &str) -> rollcall_tests::harness::Answer {
    stack.send(stack.request(Method::GET, location).header("prefer", "wait=60")).await
}

/// The imports' ids, in the order of the line.
async fn imports(stack: &Stack) -> Vec<String> {
    let imports = stack.rows("select id from imports order by place").await;
    imports.iter().map(|import| import["id"].as_str().unwrap().to_owned()).collect()
}

/// Asserts that the imports are those of these files, and ended as if one after another without a fault.
async fn as_the_oracle(stack: &Stack, files: &[&String]) {
    let mut theirs = oracle::Tenant::new(PasswordPolicy::WhenChanged);
    tables::add_administrator(&mut theirs);
    let imports = imports(stack).await;
    assert_eq!(imports.len(), files.len());
    for (import, file) in imports.iter().zip(files) {
        let answer = finished(stack, &format!("/api/import/jobs/{import}")).await;
        let expected = theirs.apply(Endpoint::Users, file.as_bytes(), None);
        assert!(
            expected.agrees_with(answer.status, &answer.body),
            "the service: {}\nthe oracle: {}",
            answer.text(),
            expected.body
        );
        let counters = stack
            .row(&format!(
                "select rows_done, rows_total, (select sum(rows) from chunk_outcomes where import_id = id) as outcomes
                   from imports where id = '{import}'"
            ))
            .await;
        for counter in ["rows_done", "rows_total", "outcomes"] {
            assert_eq!(counters[counter], ROWS, "{counter}");
        }
    }
    stack.nothing_is_left_over().await;
    let mut conn = stack.database.connection().await.unwrap();
    let differences = tables::differences(&mut conn, stack.school().id, &theirs).await;
    assert!(differences.is_empty(), "service / oracle: {differences:#?}");
}

/// Asserts that nobody is there but the administrator.
async fn no_users(stack: &Stack) {
    assert_eq!(stack.row("select count(*) from users").await["count"], Value::from(1));
}
