//! A process with a setting that is not the installation's says which one, and does not start. A server that is away is no
//! wrong setting. What a process stores and holds is for its user alone.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rollcall_tests::harness::{Options, Row, Stack, eventually, free_port, result};

const FILE: &str = "username,enabled,staffmember\njane,y,y\n";
const BOTH: [&str; 2] = ["rollcall-api", "rollcall-worker"];

/// Asserts that API and worker refuse with these settings, with exit status 2, and that a sentence says so.
async fn assert_refused(stack: &Stack, environment: &[(&str, &str)], says: &[&str]) {
    for binary in BOTH {
        let begun = std::time::Instant::now();
        let (status, errors) = stack.refusal_of(binary, environment).await;
        assert_eq!(status, Some(2), "{binary}: {errors}");
        // Libraries that log may do so until the process has ended.
        let sentence = errors.lines().find(|line| line.starts_with(binary)).unwrap_or_default();
        for text in says {
            assert!(sentence.contains(text), "{binary}: {errors}");
        }
        println!("{:?}: {sentence}", begun.elapsed());
    }
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[tokio::test]
async fn wrong_database_is_named() {
    let stack = Options::default().without_api().workers(0).start().await;
    let url = stack.test_database.url.clone();
    let (user, rest) = url.rsplit_once('@').unwrap();
    let wrong_password = format!("{}:wrong@{rest}", user.rsplit_once(':').unwrap().0);
    let says = &["DATABASE_URL has a user or password that the database refuses", "correct it"];
    assert_refused(&stack, &[("DATABASE_URL", &wrong_password)], says).await;
    let no_database = format!("{}/no_such_database", url.rsplit_once('/').unwrap().0);
    let says = &["DATABASE_URL names a database that does not exist", "no_such_database"];
    assert_refused(&stack, &[("DATABASE_URL", &no_database)], says).await;
    for arguments in [["migrate"].as_slice(), &["tenant", "list"]] {
        let environment = [("ROLLCALL_OWNER_DATABASE_URL", wrong_password.as_str())];
        let error = stack.rollcall_with(arguments, &environment).await.unwrap_err();
        assert!(error.contains("ROLLCALL_OWNER_DATABASE_URL"), "{error}");
        assert!(error.contains("has a user or password that the database refuses"), "{error}");
    }
    // As the service it would find nothing, and say so.
    let environment = [("ROLLCALL_OWNER_DATABASE_URL", stack.test_database.service_url.as_str())];
    let error = stack.rollcall_with(&["jobs", "list", "school"], &environment).await.unwrap_err();
    assert!(error.contains("connected as the service's role"), "{error}");
}

#[tokio::test]
async fn wrong_rabbitmq_is_named() {
    let stack = Options::default().without_api().workers(0).start().await;
    let url = stack.broker_url().to_owned();
    let (user, rest) = url.rsplit_once('@').unwrap();
    let wrong_password = format!("{}:wrong@{rest}", user.rsplit_once(':').unwrap().0);
    let says = &["AMQP_URL has a user or password that RabbitMQ refuses"];
    assert_refused(&stack, &[("AMQP_URL", &wrong_password)], says).await;
    let no_vhost = format!("{}/no-such-vhost", url.rsplit_once('/').unwrap().0);
    let says = &["AMQP_URL names a virtual host that does not exist", "no-such-vhost"];
    assert_refused(&stack, &[("AMQP_URL", &no_vhost)], says).await;
}

#[tokio::test]
async fn rabbitmq_that_is_away_is_said_and_no_obstacle() {
    let away = format!("amqp://guest:guest@127.0.0.1:{}/%2f", free_port());
    let mut stack = Options::default().without_api().workers(0).start().await;
    stack.start_api_with(&[("AMQP_URL", &away)]).await;
    let log = stack.api_log();
    let said = log.lines().filter(|line| line.contains("RabbitMQ cannot be reached: uploads are accepted"));
    assert_eq!(said.count(), 1, "{log}");
    let ready = stack.get("/ready").await;
    ready.is(200, r#"{"ready":true,"database":"ok","uploads":"ok","rabbitmq":"away"}"#);
    let job = stack.submit(stack.school(), FILE).await;
    stack.start_worker_with(&[("ROLLCALL_RELAY_INTERVAL_SECONDS", "0.1")]);
    stack.wait_for_result(&job).await.is(200, &result(&[Row::Created]));
}

#[tokio::test]
async fn another_upload_folder_is_named_and_not_created() {
    let mut stack = Options::default().start().await;
    stack.post_users(FILE).await.is(200, &result(&[Row::Created]));
    let mistyped = stack.uploads().with_file_name("uplaods");
    let environment = [("ROLLCALL_UPLOADS", mistyped.to_str().unwrap())];
    let says = &["ROLLCALL_UPLOADS names", "uplaods", "does not exist", "rollcall uploads adopt"];
    assert_refused(&stack, &environment, says).await;
    assert!(!mistyped.exists());
    std::fs::create_dir(&mistyped).unwrap();
    assert_refused(&stack, &environment, &["ROLLCALL_UPLOADS names", "lacks its marker"]).await;

    // Under running processes the folder is unmounted: nothing is accepted into the empty one.
    let moved = stack.uploads().with_extension("moved");
    std::fs::rename(stack.uploads(), &moved).unwrap();
    std::fs::create_dir(stack.uploads()).unwrap();
    let refused = stack.post_users(FILE).await;
    assert!(refused.header("retry-after").is_some());
    refused.is_failure(503);
    eventually("the API is not ready", async || (!stack.is_ready().await).then_some(())).await;
    std::fs::remove_dir_all(stack.uploads()).unwrap();
    std::fs::rename(&moved, stack.uploads()).unwrap();
    stack.post_users(FILE).await.is(200, &result(&[Row::Updated]));

    // Lost for ever, the operator may replace it.
    stack.stop_workers();
    stack.stop_api().await;
    stack.rollcall_with(&["uploads", "adopt"], &environment).await.unwrap();
    assert_refused(&stack, &[], &["ROLLCALL_UPLOADS names", "lacks its marker"]).await;
    stack.start_api_with(&environment).await;
}

/// An installation of the version before has uploads, but no marker.
#[tokio::test]
async fn folder_of_an_older_installation_is_taken_over_only_if_it_has_its_uploads() {
    let mut stack = Options::default().start().await;
    stack.post_users(FILE).await.is(200, &result(&[Row::Created]));
    stack.stop_workers();
    stack.stop_api().await;
    stack.execute("update installation set upload_store = null").await;
    std::fs::remove_dir_all(stack.uploads().join("installations")).unwrap();
    let empty = stack.uploads().with_file_name("empty");
    std::fs::create_dir(&empty).unwrap();
    for other in [&empty, &empty.with_file_name("none")] {
        let environment = [("ROLLCALL_UPLOADS", other.to_str().unwrap())];
        assert_refused(&stack, &environment, &["ROLLCALL_UPLOADS names", "has none of its uploads"]).await;
    }
    stack.start_worker();
    stack.start_api().await;
    stack.post_users(FILE).await.is(200, &result(&[Row::Updated]));
    assert_eq!(std::fs::read_dir(stack.uploads().join("installations")).unwrap().count(), 1);
}

#[tokio::test]
async fn uploads_are_for_their_user_alone_and_there_are_no_core_dumps() {
    let mut stack = Options::default().without_api().workers(0).start().await;
    std::fs::create_dir(stack.uploads()).unwrap();
    std::fs::set_permissions(stack.uploads(), std::fs::Permissions::from_mode(0o755)).unwrap();
    stack.start_api().await;
    stack.start_worker();
    stack.post_users(FILE).await.is(200, &result(&[Row::Created]));
    // A larger one is stored in several parts.
    let large = format!("{FILE}{}", "jane,y,y\n".repeat(40_000));
    assert_eq!(stack.post_users(large).await.status, 200);
    let mut folders = vec![stack.uploads()];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        assert_eq!(mode(&folder), 0o700, "{}", folder.display());
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else {
                assert_eq!(mode(&entry), 0o600, "{}", entry.display());
                files += 1;
            }
        }
    }
    assert_eq!(files, 3, "two uploads and the marker");
    for process in stack.worker_ids().into_iter().chain([stack.api_id()]) {
        let limits = std::fs::read_to_string(format!("/proc/{process}/limits")).unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        let values: Vec<&str> = core.split_whitespace().skip(4).take(2).collect();
        assert_eq!(values, ["0", "0"], "{core}");
        // The files of a process that is not dumpable belong to root.
        println!("{process}: {core}");
    }
}
