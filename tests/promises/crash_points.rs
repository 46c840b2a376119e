//! A crash changes no result (invariants 2, 3 and 6): at each crash point of the API and the worker a process kills itself
//! with SIGKILL and is started again, and results, counters and tables match the oracle's.
//!
//! `ROLLCALL_CRASH_POINTS` runs only the cases whose name contains it.

use std::time::Instant;

use reqwest::Method;
use rollcall_schema::crash_point::CrashPoint;
use rollcall_tests::harness::{Options, Stack, eventually, has_crash_points, run_trials};
use rollcall_tests::rosters::mixed::mixed;
use rollcall_tests::tables;

/// Cases that run at a time, each with a stack.
const AT_ONCE: usize = 12;
/// Rows of a roster, which make three chunks.
const ROWS: usize = 24;

/// Which process reaches a crash point, and how.
#[derive(Debug, Clone, Copy)]
enum Scenario {
    /// The API, while it accepts an upload.
    Uploading,
    /// The API, while it cancels an import.
    Cancelling,
    /// A worker, from the wake-up to the last hash, when it reaches the point for the nth time.
    Working(u32),
    /// A worker, when it publishes the wake-up of the tenant's next import.
    PublishingNext,
    /// A worker, when its relay publishes a wake-up that the API had committed but not published.
    Relaying,
    /// A worker, when its relay republishes a hash batch request.
    RelayingHashBatches,
    /// A worker, during a chunk that takes long.
    MergingSlowly,
    /// A worker that is told to stop during an import.
    Stopping,
    /// A worker that refuses a file.
    Refusing,
    /// A worker that abandons an import.
    Abandoning,
    /// A worker, when it deletes expired uploads.
    DeletingUploads,
}

/// The scenarios that reach a crash point. The match is exhaustive, so that a new crash point needs one.
fn scenarios(point: CrashPoint) -> &'static [Scenario] {
    use Scenario::{
        Abandoning, Cancelling, DeletingUploads, MergingSlowly, PublishingNext, Refusing, Relaying,
        RelayingHashBatches, Stopping, Uploading, Working,
    };
    match point {
        CrashPoint::BetweenUploadParts
        | CrashPoint::BeforeUploadFinish
        | CrashPoint::AfterUploadFinish
        | CrashPoint::BeforeSubmitCommit
        | CrashPoint::AfterSubmitCommit => &[Uploading],
        CrashPoint::BeforeWakeUpPublish
        | CrashPoint::AfterWakeUpPublish
        | CrashPoint::AfterWakeUpConfirm
        | CrashPoint::BeforePublishedCommit
        | CrashPoint::AfterPublishedCommit => &[Uploading, PublishingNext, Relaying],
        CrashPoint::BeforeChunkCommit | CrashPoint::AfterChunkCommit => &[Working(1), Working(2), Working(3)],
        CrashPoint::BeforeClaimCommit
        | CrashPoint::AfterClaimCommit
        | CrashPoint::BeforeWakeUpAck
        | CrashPoint::AfterWakeUpAck
        | CrashPoint::BeforePassCommit
        | CrashPoint::AfterPassCommit
        | CrashPoint::BeforeHashRequestPublish
        | CrashPoint::AfterHashRequestPublish
        | CrashPoint::AfterHashRequestConfirm
        | CrashPoint::BeforeBatchCommit
        | CrashPoint::AfterBatchCommit
        | CrashPoint::BeforeHashesCommit
        | CrashPoint::AfterHashesCommit
        | CrashPoint::BeforeHashRequestAck
        | CrashPoint::AfterHashRequestAck => &[Working(1)],
        CrashPoint::AfterHashRequestClaimCommit => &[RelayingHashBatches],
        CrashPoint::BeforeRenewCommit
        | CrashPoint::AfterRenewCommit
        | CrashPoint::BeforeTotalCommit
        | CrashPoint::AfterTotalCommit => &[MergingSlowly],
        CrashPoint::BeforeReleaseCommit | CrashPoint::AfterReleaseCommit => &[Stopping],
        CrashPoint::BeforeEndCommit | CrashPoint::AfterEndCommit => &[Refusing, Abandoning],
        CrashPoint::BeforeDeadLetterPublish
        | CrashPoint::AfterDeadLetterPublish
        | CrashPoint::AfterDeadLetterConfirm
        | CrashPoint::AfterDeadLetterCommit => &[Abandoning],
        CrashPoint::BeforeCancelCommit | CrashPoint::AfterCancelCommit => &[Cancelling],
        CrashPoint::AfterUploadsExpiredCommit | CrashPoint::AfterUploadDelete => &[DeletingUploads],
    }
}

#[test]
fn crash_at_any_point_changes_no_result() {
    assert!(has_crash_points(), "the service was built without crash points: build it as tests/run does");
    let started = Instant::now();
    let cases: Vec<(CrashPoint, Scenario)> = CrashPoint::ALL
        .iter()
        .flat_map(|&point| scenarios(point).iter().map(move |&scenario| (point, scenario)))
        .filter(|(point, scenario)| is_selected(&format!("{} {scenario:?}", point.name())))
        .collect();
    let failed = run_trials(AT_ONCE, &cases, |&(point, scenario)| kill(point, scenario));
    println!("{} crashes in {:.1} s", cases.len(), started.elapsed().as_secs_f64());
    let failed: Vec<String> =
        failed.iter().map(|(point, scenario)| format!("{} while {scenario:?}", point.name())).collect();
    assert!(failed.is_empty(), "a crash changed the outcome: {failed:#?}");
}

fn is_selected(name: &str) -> bool {
    std::env::var("ROLLCALL_CRASH_POINTS").map_or(true, |wanted| name.contains(&wanted))
}

async fn kill(point: CrashPoint, scenario: Scenario) {
    match scenario {
        Scenario::Uploading => uploading(point).await,
        Scenario::Cancelling => cancelling(point).await,
        Scenario::Working(nth) => working(point, nth).await,
        Scenario::PublishingNext => publishing_next(point).await,
        Scenario::Relaying => relaying(point).await,
        Scenario::RelayingHashBatches => relaying_hash_batches(point).await,
        Scenario::MergingSlowly => merging_slowly(point).await,
        Scenario::Stopping => stopping(point).await,
        Scenario::Refusing => refusing(point).await,
        Scenario::Abandoning => abandoning(point).await,
        Scenario::DeletingUploads => deleting_uploads(point).await,
    }
}

async fn uploading(point: CrashPoint) {
    let mut stack = Options::fast_recovery().without_api().start().await;
    stack.start_api_with(&[("ROLLCALL_CRASH_POINT", &kill_at(point, 1))]).await;
    // Larger than a part, so that there is a point between two parts.
    let file = mixed(ROWS, "uploaded", 20_000);
    let sent = tokio::spawn(stack.upload("/api/import/users", &file).send());
    stack.wait_until_api_killed().await;
    let answer = sent.await.unwrap();
    stack.start_api().await;

    let accepted = stack.imports_in_order(stack.school()).await;
    assert!(accepted.len() <= 1, "one upload is at most one import");
    if accepted.is_empty() {
        assert!(answer.is_err(), "an upload that was not accepted got no answer");
        assert_clean_outcome(&stack, &[]).await;
    } else {
        assert_clean_outcome(&stack, &[&file]).await;
    }
    // The client saw no answer and sends the file again.
    let again = vec![&file; accepted.len() + 1];
    assert_eq!(stack.post_users(&file).await.status, 200);
    assert_clean_outcome(&stack, &again).await;
}

async fn cancelling(point: CrashPoint) {
    let mut stack = Options::fast_recovery().workers(0).without_api().start().await;
    stack.start_api_with(&[("ROLLCALL_CRASH_POINT", &kill_at(point, 1))]).await;
    let file = roster("cancelled");
    let location = stack.submit(stack.school(), &file).await;
    let cancel = tokio::spawn(stack.request(Method::DELETE, &location).send());
    stack.wait_until_api_killed().await;
    assert!(cancel.await.unwrap().is_err(), "it is killed before it answers");
    stack.start_api().await;
    stack.start_worker();
    if point == CrashPoint::BeforeCancelCommit {
        assert_clean_outcome(&stack, &[&file]).await;
        return;
    }
    let summary = stack.get(&location).await.is_failure(200);
    assert!(summary.starts_with("The import was cancelled by"), "{summary}");
    assert_no_users(&stack).await;
    assert_eq!(stack.post_users(&file).await.status, 200);
    stack.assert_nothing_left_over().await;
}

async fn working(point: CrashPoint, nth: u32) {
    let mut stack = Options::fast_recovery().workers(0).start().await;
    let file = roster("worked on");
    stack.submit(stack.school(), &file).await;
    stack.start_worker_with(&[("ROLLCALL_CRASH_POINT", &kill_at(point, nth))]);
    stack.wait_until_worker_killed().await;
    stack.start_worker();
    assert_clean_outcome(&stack, &[&file]).await;
}

async fn publishing_next(point: CrashPoint) {
    let mut stack = Options::fast_recovery().workers(0).start().await;
    let files = [roster("first"), roster("second")];
    for file in &files {
        stack.submit(stack.school(), file).await;
    }
    // The API publishes only the first: the worker reaches the point with the second.
    stack.start_worker_with(&[("ROLLCALL_CRASH_POINT", &kill_at(point, 1))]);
    stack.wait_until_worker_killed().await;
    stack.start_worker();
    assert_clean_outcome(&stack, &[&files[0], &files[1]]).await;
}

async fn relaying(point: CrashPoint) {
    let mut stack = Options::fast_recovery().workers(0).without_api().start().await;
    stack.start_api_with(&[("ROLLCALL_CRASH_POINT", &kill_at(CrashPoint::AfterSubmitCommit, 1))]).await;
    let file = roster("relayed");
    let sent = tokio::spawn(stack.upload("/api/import/users", &file).send());
    stack.wait_until_api_killed().await;
    assert!(sent.await.unwrap().is_err(), "it is killed before it answers");
    stack.start_worker_with(&[("ROLLCALL_CRASH_POINT", &kill_at(point, 1))]);
    stack.wait_until_worker_killed().await;
    stack.start_api().await;
    stack.start_worker();
    assert_clean_outcome(&stack, &[&file]).await;
}

async fn relaying_hash_batches(point: CrashPoint) {
    let mut stack = Options::fast_recovery().workers(0).start().await;
    let file = roster("hashed");
    stack.submit(stack.school(), &file).await;
    for point in [CrashPoint::BeforePassCommit, point] {
        stack.start_worker_with(&[("ROLLCALL_CRASH_POINT", &kill_at(point, 1))]);
        stack.wait_until_worker_killed().await;
    }
    stack.start_worker();
    assert_clean_outcome(&stack, &[&file]).await;
}

async fn merging_slowly(point: CrashPoint) {
    let mut stack = Options::fast_recovery().workers(0).start().await;
    let file = roster("slow");
    stack.submit(stack.school(), &file).await;
    // While the chunk is blocked, the worker renews the lease and counts the rows.
    let lock = stack.lock_users().await;
    stack.start_worker_with(&[("ROLLCALL_CRASH_POINT", &kill_at(point, 1))]);
    stack.wait_until_worker_killed().await;
    drop(lock);
    stack.start_worker();
    assert_clean_outcome(&stack, &[&file]).await;
}

async fn stopping(point: CrashPoint) {
    let mut stack = Options::fast_recovery()
        .workers(0)
        .worker_env("ROLLCALL_CHUNK_ROWS", 1)
        .worker_env("ROLLCALL_PARALLEL_CHUNKS", 1)
        .start()
        .await;
    let file = roster("released");
    stack.submit(stack.school(), &file).await;
    let points = format!("{}:stop:1,{}", CrashPoint::AfterChunkCommit.name(), kill_at(point, 1));
    stack.start_worker_with(&[("ROLLCALL_CRASH_POINT", &points)]);
    stack.wait_until_worker_frozen(0).await;
    stack.worker(0).ask_to_stop();
    stack.wait_until_worker_killed().await;
    stack.start_worker();
    assert_clean_outcome(&stack, &[&file]).await;
}

async fn refusing(point: CrashPoint) {
    let mut stack = Options::fast_recovery().workers(0).start().await;
    let location = stack.submit(stack.school(), "no,such,columns\n1,2,3\n").await;
    stack.start_worker_with(&[("ROLLCALL_CRASH_POINT", &kill_at(point, 1))]);
    stack.wait_until_worker_killed().await;
    stack.start_worker();
    let summary = stack.wait_for_result(&location).await.is_failure(200);
    assert!(summary.contains("username"), "{summary}");
    assert_no_users(&stack).await;
    let file = roster("next");
    assert_eq!(stack.post_users(&file).await.status, 200);
    stack.assert_nothing_left_over().await;
}

async fn abandoning(point: CrashPoint) {
    let mut stack = Options::fast_recovery().workers(0).worker_env("ROLLCALL_MAX_ATTEMPTS", 1).start().await;
    let location = stack.submit(stack.school(), &roster("abandoned")).await;
    let stored = stack.stored_files().remove(0);
    std::fs::write(&stored, b"damaged").unwrap();
    stack.start_worker_with(&[("ROLLCALL_CRASH_POINT", &kill_at(point, 1))]);
    stack.wait_until_worker_killed().await;
    stack.start_worker();
    let summary = stack.wait_for_result(&location).await.is_failure(200);
    assert!(summary.starts_with("The import was given up after 1 attempt"), "{summary}");
    assert_no_users(&stack).await;
    stack
        .wait_until_none("select from imports where failure_kind = 'abandoned' and dead_lettered_at is null")
        .await;
    assert!((1..=2).contains(&stack.dead_letter_count().await), "it is in the dead-letter queue");
    let file = roster("next");
    assert_eq!(stack.post_users(&file).await.status, 200);
    stack.assert_nothing_left_over().await;
}

async fn deleting_uploads(point: CrashPoint) {
    let mut stack =
        Options::fast_recovery().workers(0).worker_env("ROLLCALL_UPLOAD_RETENTION_DAYS", 0).start().await;
    let file = roster("deleted");
    stack.submit(stack.school(), &file).await;
    stack.start_worker_with(&[("ROLLCALL_CRASH_POINT", &kill_at(point, 1))]);
    stack.wait_until_worker_killed().await;
    stack.start_worker();
    assert_clean_outcome(&stack, &[&file]).await;
    stack.wait_until_none("select from imports where upload_deleted_at is null").await;
    // An upload that expired but was not deleted is found once it is old.
    stack.age_stored_files();
    eventually("no upload is stored", async || stack.stored_files().is_empty().then_some(())).await;
}

fn kill_at(point: CrashPoint, nth: u32) -> String {
    format!("{}:kill:{nth}", point.name())
}

fn roster(mark: &str) -> String {
    mixed(ROWS, mark, 0)
}

/// Asserts that the imports of `school` are these files and match the oracle, and that nothing is left over.
async fn assert_clean_outcome(stack: &Stack, files: &[&String]) {
    tables::assert_matches_oracle(stack, stack.school(), files).await;
    stack.assert_nothing_left_over().await;
}

/// Asserts that the administrator is the only user.
async fn assert_no_users(stack: &Stack) {
    assert_eq!(stack.row("select count(*) from users").await["count"], 1);
}
