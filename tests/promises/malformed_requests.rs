//! Whatever is wrong with a request's head, its sender gets an answer in the shape of every other: a status, JSON, the
//! headers by which to refer to it. And a request is for one host.

use std::time::{Duration, Instant};

use rollcall_tests::harness::{ADMINISTRATOR, Options, PASSWORD, RawConnection, Stack, basic, eventually};

const JOBS: &str = "/api/import/jobs";

fn authorization() -> String {
    format!("Authorization: {}\r\n", basic(ADMINISTRATOR, PASSWORD))
}

#[tokio::test]
async fn every_answer_has_the_shape_of_the_contract() {
    let stack = Options::default().workers(0).api_env("ROLLCALL_REQUEST_HEAD_SECONDS", 1).start().await;
    let long = "x".repeat(100_000);
    let many: String = (0..200).map(|n| format!("X-{n}: y\r\n")).collect();
    let good = format!("GET {JOBS} HTTP/1.1\r\nHost: x\r\n{}\r\n", authorization());
    for (request, before, status) in [
        ("hello\r\n\r\n".to_owned(), 0, 400),
        ("GET / HTTP/9.9\r\n\r\n".to_owned(), 0, 400),
        ("GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n".to_owned(), 0, 400),
        ("GET / HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n".to_owned(), 0, 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n".to_owned(), 0, 400),
        (format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n"), 0, 431),
        (format!("GET / HTTP/1.1\r\nHost: x\r\nX: {long}\r\n\r\n"), 0, 431),
        (format!("GET / HTTP/1.1\r\nHost: x\r\n{many}\r\n"), 0, 431),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), 0, 505),
        // A head that does not end in time.
        ("GET / HTTP/1.1\r\nHost: x\r\nX-Sl".to_owned(), 0, 408),
        // After requests on the same connection, sent at once.
        (format!("{good}{good}garbage\r\n\r\n"), 2, 400),
        (format!("{good}GET / HTTP/1.1\r\nX-Sl"), 1, 408),
    ] {
        let mut connection = RawConnection::open(&stack).await;
        let _ = connection.try_send(&request).await;
        for _ in 0..before {
            assert_eq!(connection.answer().await.status, 200);
        }
        let answer = connection.answer().await;
        let name = &request[request.len() - request.len().min(60)..];
        assert!(answer.is_failure(status).len() > 20, "{name:?}");
        answer.has_standard_headers();
        assert_eq!(answer.header("connection"), Some("close"), "{name:?}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{name:?}");
        assert_eq!(connection.rest().await, b"", "{name:?}");
    }
    // A connection on which nothing is begun is closed without an answer: a client might take it for that to its next
    // request.
    for request in ["", &good] {
        let mut idle = RawConnection::open(&stack).await;
        idle.send(request).await;
        if !request.is_empty() {
            assert_eq!(idle.answer().await.status, 200);
        }
        let began = Instant::now();
        assert_eq!(idle.rest().await, b"");
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    }
}

#[tokio::test]
async fn request_is_for_one_host() {
    let stack = Options::default().workers(0).without_tenant().start().await;
    for name in ["north", "south"] {
        stack.add_tenant(name).await;
        let host = format!("{name}.example");
        stack.rollcall(&["tenant", "set", name, "--add-host", &host]).await.unwrap();
    }
    let ask = async |request_line: &str, hosts: &[&str]| {
        let hosts: String = hosts.iter().map(|host| format!("Host: {host}\r\n")).collect();
        let mut connection = RawConnection::open(&stack).await;
        connection.send(format!("{request_line}\r\n{hosts}{}\r\n", authorization())).await;
        let answer = connection.answer().await;
        if answer.status == 400 {
            assert!(answer.is_failure(400).contains("Host header"), "{}", answer.text());
            answer.has_standard_headers();
        }
        answer.status
    };
    let get = format!("GET {JOBS} HTTP/1.1");
    let absolute = format!("GET http://north.example{JOBS} HTTP/1.1");
    assert_eq!(ask(&get, &["north.example"]).await, 200);
    assert_eq!(ask(&absolute, &["north.example"]).await, 200);
    assert_eq!(ask(&get, &[]).await, 400);
    assert_eq!(ask(&format!("GET {JOBS}?tenantId=north HTTP/1.1"), &[]).await, 400);
    assert_eq!(ask(&get, &["north.example", "south.example"]).await, 400);
    assert_eq!(ask(&get, &["north.example", "north.example"]).await, 400);
    assert_eq!(ask(&get, &["north.example@south.example"]).await, 400);
    assert_eq!(ask(&absolute, &["south.example"]).await, 400);
    // HTTP/1.0 knows no Host: the tenant is the one that is named.
    assert_eq!(ask(&format!("GET {JOBS}?tenantId=north HTTP/1.0"), &[]).await, 200);
    assert_eq!(ask(&format!("GET {JOBS} HTTP/1.0"), &[]).await, 401, "there are two tenants");
    assert_eq!(ask(&format!("GET {JOBS} HTTP/1.0"), &["north.example"]).await, 200);
    assert_eq!(ask(&format!("GET {JOBS} HTTP/1.0"), &["north.example", "south.example"]).await, 400);
}

#[tokio::test]
async fn what_a_client_sends_neither_forges_nor_fills_the_log() {
    let stack = Stack::new().await;
    // Within the limit on a head.
    let path = format!("/{}", "x".repeat(7000));
    let agent = "y\tz\u{fc}".repeat(1000);
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: x\r\nUser-Agent: {agent}\r\nX-Request-Id: a b\r\ntracestate: a={}\r\n\r\n",
        "t".repeat(2000)
    );
    let before = stack.api_log().len();
    let began = Instant::now();
    let mut sent = 0;
    while began.elapsed() < Duration::from_secs(2) {
        let mut connection = RawConnection::open(&stack).await;
        connection.send(request.repeat(20)).await;
        for _ in 0..20 {
            let answer = connection.answer().await;
            answer.is_failure(404);
            assert_ne!(answer.header("x-request-id"), Some("a b"));
        }
        sent += 20;
    }
    let log = stack.api_log();
    let logged = log.len() - before;
    let longest = log.lines().map(str::len).max().unwrap_or(0);
    println!(
        "{sent} refused requests of {} KiB each in 2 s: {logged} bytes of log, at most {longest} in a line",
        request.len() / 1024
    );
    assert!(log.contains("xxxxx…") && log.contains("y\\tz"), "{log}");
    assert!(logged < 20_000, "{logged}");
    assert!(longest < 1500, "{longest}");
    eventually("the others are counted", async || stack.api_log().contains(" more in 10 s").then_some(()))
        .await;
    // What a logged-in client does has a line each.
    for _ in 0..20 {
        assert_eq!(stack.get(JOBS).await.status, 200);
    }
    let lines = || stack.api_log().lines().filter(|line| line.contains(&format!("GET {JOBS}"))).count();
    eventually("each has a line", async || (lines() == 20).then_some(())).await;
}
