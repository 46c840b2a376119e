//! A process that is killed leaves what a clean run leaves: on each edge of what the API and the worker do for good, one
//! is killed there by SIGKILL and started again, and the results, the counters and the tables are the oracle's.
//!
//! `ROLLCALL_EDGES` tries only those whose name contains it.

use std::time::Instant;

use reqwest::Method;
use rollcall_schema::edge::Edge;
use rollcall_tests::harness::{Options, Stack, eventually, has_crash_points, run_trials};
use rollcall_tests::rosters::mixed::mixed;
use rollcall_tests::tables;

/// Stacks at once.
const AT_ONCE: usize = 12;
/// Rows of a roster: three chunks.
const ROWS: usize = 24;

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
        Edge::AfterUploadsGivenUpCommit | Edge::AfterUploadDelete => &[Cleaning],
    }
}

#[test]
fn crash_at_any_point_changes_no_result() {
    assert!(has_crash_points(), "the service was built without edges: build it as tests/run does");
    let begun = Instant::now();
    let killings: Vec<(Edge, Victim)> = Edge::ALL
        .iter()
        .flat_map(|&edge| victims(edge).iter().map(move |&victim| (edge, victim)))
        .filter(|(edge, victim)| is_asked_for(&format!("{} {victim:?}", edge.name())))
        .collect();
    let failed = run_trials(AT_ONCE, &killings, |&(edge, victim)| kill(edge, victim));
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
    let mut stack = Options::fast_recovery().without_api().start().await;
    stack.start_api_with(&[("ROLLCALL_EDGE", &on(edge, 1))]).await;
    // Larger than a part, so that there is something between two.
    let file = mixed(ROWS, "uploaded", 20_000);
    let sent = tokio::spawn(stack.upload("/api/import/users", &file).send());
    stack.wait_until_api_killed().await;
    let answer = sent.await.unwrap();
    stack.start_api().await;

    let accepted = stack.imports_in_order(stack.school()).await;
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
    let mut stack = Options::fast_recovery().workers(0).without_api().start().await;
    stack.start_api_with(&[("ROLLCALL_EDGE", &on(edge, 1))]).await;
    let file = roster("cancelled");
    let location = stack.submit(stack.school(), &file).await;
    let cancel = tokio::spawn(stack.request(Method::DELETE, &location).send());
    stack.wait_until_api_killed().await;
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
    stack.assert_nothing_left_over().await;
}

async fn working(edge: Edge, nth: u32) {
    let mut stack = Options::fast_recovery().workers(0).start().await;
    let file = roster("worked on");
    stack.submit(stack.school(), &file).await;
    stack.start_worker_with(&[("ROLLCALL_EDGE", &on(edge, nth))]);
    stack.wait_until_worker_killed().await;
    stack.start_worker();
    as_the_oracle(&stack, &[&file]).await;
}

async fn waking_next(edge: Edge) {
    let mut stack = Options::fast_recovery().workers(0).start().await;
    let files = [roster("first"), roster("second")];
    for file in &files {
        stack.submit(stack.school(), file).await;
    }
    // Only the first is published by the API: the worker comes to the edge with the second.
    stack.start_worker_with(&[("ROLLCALL_EDGE", &on(edge, 1))]);
    stack.wait_until_worker_killed().await;
    stack.start_worker();
    as_the_oracle(&stack, &[&files[0], &files[1]]).await;
}

async fn relaying(edge: Edge) {
    let mut stack = Options::fast_recovery().workers(0).without_api().start().await;
    stack.start_api_with(&[("ROLLCALL_EDGE", &on(Edge::AfterSubmitCommit, 1))]).await;
    let file = roster("relayed");
    let sent = tokio::spawn(stack.upload("/api/import/users", &file).send());
    stack.wait_until_api_killed().await;
    assert!(sent.await.unwrap().is_err(), "it is killed before it answers");
    stack.start_worker_with(&[("ROLLCALL_EDGE", &on(edge, 1))]);
    stack.wait_until_worker_killed().await;
    stack.start_api().await;
    stack.start_worker();
    as_the_oracle(&stack, &[&file]).await;
}

async fn relaying_turns(edge: Edge) {
    let mut stack = Options::fast_recovery().workers(0).start().await;
    let file = roster("hashed");
    stack.submit(stack.school(), &file).await;
    for edge in [Edge::BeforePassCommit, edge] {
        stack.start_worker_with(&[("ROLLCALL_EDGE", &on(edge, 1))]);
        stack.wait_until_worker_killed().await;
    }
    stack.start_worker();
    as_the_oracle(&stack, &[&file]).await;
}

async fn lingering(edge: Edge) {
    let mut stack = Options::fast_recovery().workers(0).start().await;
    let file = roster("lingering");
    stack.submit(stack.school(), &file).await;
    // The chunk waits for the lock, and its worker renews the lease meanwhile and counts the rows.
    let lock = stack.lock_users().await;
    stack.start_worker_with(&[("ROLLCALL_EDGE", &on(edge, 1))]);
    stack.wait_until_worker_killed().await;
    drop(lock);
    stack.start_worker();
    as_the_oracle(&stack, &[&file]).await;
}

async fn stopping(edge: Edge) {
    let mut stack = Options::fast_recovery()
        .workers(0)
        .worker_env("ROLLCALL_CHUNK_ROWS", 1)
        .worker_env("ROLLCALL_LANES", 1)
        .start()
        .await;
    let file = roster("given back");
    stack.submit(stack.school(), &file).await;
    let amid = format!("{}:stop:1,{}", Edge::AfterChunkCommit.name(), on(edge, 1));
    stack.start_worker_with(&[("ROLLCALL_EDGE", &amid)]);
    stack.wait_until_worker_frozen(0).await;
    stack.worker(0).ask_to_stop();
    stack.wait_until_worker_killed().await;
    stack.start_worker();
    as_the_oracle(&stack, &[&file]).await;
}

async fn refusing(edge: Edge) {
    let mut stack = Options::fast_recovery().workers(0).start().await;
    let location = stack.submit(stack.school(), "no,such,columns\n1,2,3\n").await;
    stack.start_worker_with(&[("ROLLCALL_EDGE", &on(edge, 1))]);
    stack.wait_until_worker_killed().await;
    stack.start_worker();
    let summary = stack.wait_for_result(&location).await.is_failure(200);
    assert!(summary.contains("username"), "{summary}");
    no_users(&stack).await;
    let file = roster("next");
    assert_eq!(stack.post_users(&file).await.status, 200);
    stack.assert_nothing_left_over().await;
}

async fn giving_up(edge: Edge) {
    let mut stack = Options::fast_recovery().workers(0).worker_env("ROLLCALL_MAX_ATTEMPTS", 1).start().await;
    let location = stack.submit(stack.school(), &roster("given up")).await;
    std::fs::remove_dir_all(stack.uploads()).unwrap();
    stack.start_worker_with(&[("ROLLCALL_EDGE", &on(edge, 1))]);
    stack.wait_until_worker_killed().await;
    stack.start_worker();
    let summary = stack.wait_for_result(&location).await.is_failure(200);
    assert!(summary.starts_with("The import was given up after 1 attempt"), "{summary}");
    no_users(&stack).await;
    stack.wait_until_none("select from imports where failure_kind = 'abandoned' and woken_at is null").await;
    assert!((1..=2).contains(&stack.dead_letter_count().await), "it is among the dead letters");
    let file = roster("next");
    assert_eq!(stack.post_users(&file).await.status, 200);
    stack.assert_nothing_left_over().await;
}

async fn cleaning(edge: Edge) {
    let mut stack =
        Options::fast_recovery().workers(0).worker_env("ROLLCALL_UPLOAD_RETENTION_DAYS", 0).start().await;
    let file = roster("cleaned up");
    stack.submit(stack.school(), &file).await;
    stack.start_worker_with(&[("ROLLCALL_EDGE", &on(edge, 1))]);
    stack.wait_until_worker_killed().await;
    stack.start_worker();
    as_the_oracle(&stack, &[&file]).await;
    stack.wait_until_none("select from imports where upload_deleted_at is null").await;
    // What was given up and not deleted is found once it is old.
    stack.age_stored_files();
    eventually("no upload is kept", async || stack.stored_files().is_empty().then_some(())).await;
}

fn on(edge: Edge, nth: u32) -> String {
    format!("{}:kill:{nth}", edge.name())
}

fn roster(mark: &str) -> String {
    mixed(ROWS, mark, 0)
}

/// Asserts that the imports of `school` are those of these files, and ended as if without a fault; and that nothing is
/// left over of what they needed on their way.
async fn as_the_oracle(stack: &Stack, files: &[&String]) {
    tables::assert_matches_oracle(stack, stack.school(), files).await;
    stack.assert_nothing_left_over().await;
}

/// Asserts that nobody is there but the administrator.
async fn no_users(stack: &Stack) {
    assert_eq!(stack.row("select count(*) from users").await["count"], 1);
}
