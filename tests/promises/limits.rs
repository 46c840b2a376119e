//! No client, and no tenant, can take what others need: the memory of results that are not read, uploads that never end,
//! imports that wait, connections.

use std::time::Instant;

use reqwest::Method;
use rollcall_schema::audit::{Actor, ActorKind};
use rollcall_schema::ids::{ImportId, TenantId, UserId};
use rollcall_schema::imports::idempotency::IdempotencyKey;
use rollcall_schema::imports::model::Endpoint;
use rollcall_schema::imports::submit::{self, Submission, Submitted, Submitter};
use rollcall_schema::lane::Lane;
use rollcall_schema::telemetry::TraceContext;
use rollcall_schema::uploads::StoredUpload;
use rollcall_tests::harness::{
    ADMINISTRATOR, Answer, Options, PASSWORD, RawConnection, Row, Stack, basic, binary_path, eventually,
    multipart, result, rss_kib, upload_head,
};
use rollcall_tests::hostile::add_large_result;

const USERS: &str = "/api/import/users";
const JOBS: &str = "/api/import/jobs";
const FILE: &str = "username,enabled,staffmember\njane,y,y\n";

/// Asserts a refusal that says when to come back.
#[track_caller]
fn is_refused_for_now(answer: &Answer, status: u16, words: &str) {
    let summary = answer.is_failure(status);
    assert!(summary.contains(words), "{summary}");
    let seconds: u64 = answer.header("retry-after").expect("it says when to retry").parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_that_are_not_read_take_no_memory() {
    const READERS: usize = 200;
    let stack = Options::default().workers(0).api_env("ROLLCALL_RESPONSE_STALL_SECONDS", 3).start().await;
    let large = add_large_result(&stack, stack.school(), 12).await;
    let began = Instant::now();
    let whole = stack.get(&large.path).await;
    assert_eq!(whole.status, 200);
    assert_eq!(whole.body.len(), large.bytes);
    assert!(whole.text().ends_with(". \"}}"), "it is complete");
    println!("{} MiB of details are read in {:?}", large.bytes >> 20, began.elapsed());

    let get = format!(
        "GET {} HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\n\r\n",
        large.path,
        basic(ADMINISTRATOR, PASSWORD)
    );
    let mut readers = Vec::new();
    for _ in 0..READERS {
        let mut reader = RawConnection::open(&stack).await;
        reader.send(&get).await;
        readers.push(reader);
    }
    // Each has been answered as far as the socket takes it, and no statement runs for any of them.
    for reader in &mut readers {
        assert_eq!(reader.head().await.0, 200);
    }
    let busy = "select from pg_stat_activity where datname = current_database() and state <> 'idle' \
                and pid <> pg_backend_pid()";
    eventually("no connection to the database is held", async || {
        stack.rows(busy).await.is_empty().then_some(())
    })
    .await;
    assert_eq!(stack.get(&format!("{JOBS}?tenantId=school")).await.status, 200);
    // Those that read nothing are closed.
    let closed = || stack.api_log().lines().filter(|line| line.contains("response truncated")).count();
    eventually("all are closed", async || (closed() == READERS).then_some(())).await;
    drop(readers);
    let peak = rss_kib(stack.api_id()).1 / 1024;
    println!("with {READERS} clients that do not read their result the API's memory peaks at {peak} MiB");
    assert!(peak < 256, "{peak} MiB");
    assert_eq!(stack.get(&large.path).await.body.len(), large.bytes, "their slots are free");
}

/// An upload that sends the beginning of a file, and nothing else for now.
async fn begin_upload(stack: &Stack, tenant: &str) -> RawConnection {
    let mut connection = RawConnection::open(stack).await;
    let head = upload_head(&format!("{USERS}?tenantId={tenant}"), "multipart/form-data; boundary=XX");
    connection.send(format!("{head}Content-Length: 1000000\r\n\r\n")).await;
    connection
        .send("--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\"\r\n\r\nusername\r\n")
        .await;
    connection
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_uploads_are_few_and_end() {
    let stack = Options::default()
        .api_env("ROLLCALL_UPLOADS_PER_TENANT", 4)
        .api_env("ROLLCALL_UPLOADS_AT_ONCE", 6)
        .api_env("ROLLCALL_UPLOAD_GRACE_SECONDS", 8)
        .start()
        .await;
    stack.add_tenant("slow").await;
    let began = Instant::now();
    let mut slow = Vec::new();
    for _ in 0..10 {
        slow.push(begin_upload(&stack, "slow").await);
    }
    // Another tenant is served meanwhile.
    let posting = Instant::now();
    stack
        .send(stack.upload(&format!("{USERS}?tenantId=school"), FILE))
        .await
        .is(200, &result(&[Row::Created]));
    println!("another tenant's upload takes {:?}", posting.elapsed());
    let mut refused = 0;
    let mut timed_out = 0;
    for mut connection in slow {
        let answer = connection.answer().await;
        if answer.status == 408 {
            timed_out += 1;
        } else {
            is_refused_for_now(&answer, 429, "Too many uploads of this tenant");
            refused += 1;
        }
    }
    println!(
        "of 10 uploads at once {timed_out} were begun and timed out, {refused} were refused, within {:?}",
        began.elapsed()
    );
    assert_eq!((timed_out, refused), (4, 6));
    stack.send(stack.upload(&format!("{USERS}?tenantId=slow"), FILE)).await.is(200, &result(&[Row::Created]));
}

/// A submission as the API makes it, without an upload.
fn submission(tenant: TenantId, key: Option<&str>) -> Submission {
    Submission {
        id: ImportId::generate(),
        tenant,
        endpoint: Endpoint::Users,
        lane: Lane::Small,
        upload: StoredUpload { bytes: 1, sha256: [0; 32] },
        charset: None,
        submitted_by: Submitter::Account(UserId::generate()),
        submitted_as: "x".to_owned(),
        actor: Actor { kind: ActorKind::Administrator, name: "x".to_owned(), origin: "127.0.0.1".to_owned() },
        trace: TraceContext::default(),
        key: key.map(|key| IdempotencyKey::parse(key.as_bytes()).unwrap()),
    }
}

fn school() -> String {
    format!("{USERS}?tenantId=school")
}

async fn post(stack: &Stack, key: &str) -> Answer {
    let upload = stack.upload(&school(), FILE).header("prefer", "respond-async");
    stack.send(upload.header("idempotency-key", key)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tenant_queues_as_many_imports_as_it_may() {
    let mut stack = Options::default().workers(0).start().await;
    let other = stack.add_tenant("other").await;
    stack.rollcall(&["tenant", "set", "school", "--max-queued-imports", "3"]).await.unwrap();
    let first = post(&stack, "one").await;
    for key in ["two", "three"] {
        assert_eq!(post(&stack, key).await.status, 202);
    }
    let stored = stack.stored_files().len();
    is_refused_for_now(&post(&stack, "four").await, 429, "3 imports of this tenant are not finished");
    assert_eq!(stack.stored_files().len(), stored, "nothing of it is kept");
    // The same upload again is the import that it was, and no other one.
    let again = post(&stack, "one").await;
    assert_eq!((again.status, again.header("location")), (202, first.header("location")));
    let conflict = stack.upload(&school(), "username\nx\n").header("prefer", "respond-async");
    assert_eq!(stack.send(conflict.header("idempotency-key", "one")).await.status, 422);
    // Other tenants have lines of their own.
    assert_eq!(
        stack
            .send(stack.upload(&format!("{USERS}?tenantId=other"), FILE).header("prefer", "respond-async"))
            .await
            .status,
        202
    );
    // With room again the refused key is as good as new.
    assert_eq!(
        stack
            .send(stack.request(Method::DELETE, &format!("{}?tenantId=school", first.location())))
            .await
            .status,
        200
    );
    assert_eq!(post(&stack, "four").await.status, 202);
    is_refused_for_now(&post(&stack, "five").await, 429, "not finished");
    stack.start_worker();
    eventually("the line is empty", async || {
        (stack.row("select count(*) as n from imports where state <> 'finished'").await["n"] == 0)
            .then_some(())
    })
    .await;
    assert_eq!(post(&stack, "five").await.status, 202);

    // However many processes submit at once, the limit is exact.
    stack.rollcall(&["tenant", "set", "other", "--max-queued-imports", "20"]).await.unwrap();
    stack.stop_workers();
    let databases: Vec<_> = (0..4).map(|_| stack.test_database.pool()).collect();
    let submitting: Vec<_> = (0..100)
        .map(|n| {
            let database = databases[n % databases.len()].clone();
            let key = (n % 2 == 0).then(|| format!("key-{n}"));
            tokio::spawn(async move {
                let session = database.session_for(other.id).await.unwrap();
                submit::submit(&session, &submission(other.id, key.as_deref())).await.unwrap()
            })
        })
        .collect();
    let mut queued = 0;
    for submitted in submitting {
        match submitted.await.unwrap() {
            Submitted::Queued { .. } => queued += 1,
            Submitted::QueueFull { limit } => assert_eq!(limit, 20),
            unexpected => panic!("{unexpected:?}"),
        }
    }
    println!("of 100 submissions at once into a line of 20, {queued} were queued");
    let unfinished =
        format!("select count(*) as n from imports where state <> 'finished' and tenant_id = '{}'", other.id);
    assert_eq!(stack.row(&unfinished).await["n"], 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_limited_and_idle_ones_make_room() {
    let stack = Options::default().workers(0).api_env("ROLLCALL_CONNECTIONS", 10).start().await;
    let mut idle = Vec::new();
    for _ in 0..40 {
        idle.push(RawConnection::open(&stack).await);
    }
    let began = Instant::now();
    let path = format!("{JOBS}?tenantId=school");
    let get = format!(
        "GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\n\r\n",
        basic(ADMINISTRATOR, PASSWORD)
    );
    let mut good = RawConnection::open(&stack).await;
    good.send(&get).await;
    assert_eq!(good.answer().await.status, 200);
    println!("with 40 idle connections in 10 places another is answered in {:?}", began.elapsed());
    // The oldest were closed.
    assert_eq!(idle.remove(0).rest().await, b"");

    // All places are taken by requests.
    let (content_type, body) = multipart("", FILE.as_bytes());
    let mut waiting = Vec::new();
    for _ in 0..10 {
        let mut connection = RawConnection::open(&stack).await;
        let head = upload_head(USERS, &content_type);
        connection.send(format!("{head}Content-Length: {}\r\n\r\n", body.len())).await;
        connection.send(&body).await;
        waiting.push(connection);
    }
    eventually("all are queued", async || {
        (stack.row("select count(*) as n from imports").await["n"] == 10).then_some(())
    })
    .await;
    let began = Instant::now();
    let mut refused = RawConnection::open(&stack).await;
    refused.send(&get).await;
    is_refused_for_now(&refused.answer().await, 503, "too many connections");
    println!("a connection for which there is no place is told so in {:?}", began.elapsed());
    assert!(stack.api_log().contains("refused a connection"));
    drop(waiting);
    eventually("their places are free", async || stack.is_ready().await.then_some(())).await;
}

#[tokio::test]
async fn limits_that_do_not_fit_are_refused_at_start() {
    let api = binary_path("rollcall-api");
    let run = async |limit: &str, connections: &str| {
        let output = tokio::process::Command::new("sh")
            .args(["-c", &format!("ulimit -n {limit} && exec \"$0\""), api.to_str().unwrap()])
            .env("DATABASE_URL", "postgres://none@127.0.0.1:1/none")
            .env("AMQP_URL", "amqp://127.0.0.1:1")
            .env("ROLLCALL_KEY", "00".repeat(32))
            .env("ROLLCALL_UPLOADS", std::env::temp_dir().join("rollcall-no-uploads"))
            .env("ROLLCALL_TLS", "off")
            .envs((!connections.is_empty()).then_some(("ROLLCALL_CONNECTIONS", connections)))
            .output()
            .await
            .unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = run("1024", "5000").await;
    println!("{said}");
    assert_eq!(code, Some(2));
    assert!(said.contains("ROLLCALL_CONNECTIONS") && said.contains("may open 1024 files"), "{said}");
    let (code, said) = run("256", "").await;
    assert_eq!(code, Some(2));
    assert!(said.contains("may open 256 files"), "{said}");
}
