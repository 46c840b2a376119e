//! Failed logins are counted by the client's address, which only a trusted proxy can pass on: of the addresses in its
//! header the last that is not a proxy's. An IPv6 client is its /64, and a /48 is a site of many.

use reqwest::Method;
use rollcall_servers::{Launch, Process};
use rollcall_tests::harness::{KEY, Options, RawConnection, Stack, basic, binary_path, eventually};

const JOBS: &str = "/api/import/jobs";

async fn stack() -> Stack {
    Options::default()
        .workers(0)
        .api_env("ROLLCALL_CLIENT_ADDRESS_HEADER", "X-Forwarded-For")
        .api_env("ROLLCALL_TRUSTED_PROXIES", "127.0.0.1, 10.0.0.0/8")
        .api_env("ROLLCALL_FAILED_LOGINS_PER_ADDRESS", 3)
        .api_env("ROLLCALL_FAILED_LOGIN_DELAY_SECONDS", 0)
        .start()
        .await
}

/// The status of a wrong login of a new user.
async fn fail(stack: &Stack, header: &str) -> u16 {
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let user = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed).to_string();
    let request = stack.anonymous(Method::GET, JOBS).header("x-forwarded-for", header);
    stack.send(request.basic_auth(user, Some("wrong"))).await.status
}

#[tokio::test]
async fn the_last_untrusted_hop_counts() {
    let stack = stack().await;
    for header in ["192.0.2.1", "192.0.2.1:4711", "203.0.113.1, 192.0.2.1, 10.1.2.3"] {
        assert_eq!(fail(&stack, header).await, 401, "{header}");
    }
    assert_eq!(fail(&stack, "192.0.2.2, 192.0.2.1").await, 429, "what the client made up does not count");
    assert_eq!(fail(&stack, "192.0.2.1, 192.0.2.2").await, 401, "another client");
    // IPv6: the /64 is one client, the next /64 another.
    for header in ["2001:db8:1:2::1", "[2001:db8:1:2::2]:4711", "[2001:db8:1:2:ffff::3]"] {
        assert_eq!(fail(&stack, header).await, 401, "{header}");
    }
    assert_eq!(fail(&stack, "2001:db8:1:2::4").await, 429);
    assert_eq!(fail(&stack, "2001:db8:1:3::1").await, 401);
}

#[tokio::test]
async fn networks_of_one_site_are_counted_together() {
    let stack = stack().await;
    for n in 0..12 {
        assert_eq!(fail(&stack, &format!("2001:db8:1:{n}::1")).await, 401, "{n}");
    }
    assert_eq!(fail(&stack, "2001:db8:1:ff::1").await, 429, "four times as many as of one network");
    assert_eq!(fail(&stack, "2001:db8:2:ff::1").await, 401);
}

#[tokio::test]
async fn the_header_of_another_client_is_ignored() {
    let stack = stack().await;
    let wrong = async |claimed: &str| {
        let mut connection = RawConnection::open_from(&stack, "127.0.0.2").await;
        let head = format!(
            "GET {JOBS} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {claimed}\r\nAuthorization: {}\r\n\r\n",
            basic(claimed, "wrong")
        );
        connection.send(head).await;
        connection.answer().await.status
    };
    for n in 0..3 {
        assert_eq!(wrong(&format!("192.0.2.{n}")).await, 401);
    }
    assert_eq!(wrong("192.0.2.9").await, 429, "all of them are the address of the connection");
    assert_eq!(fail(&stack, "192.0.2.0").await, 401, "and who was named is not slowed");
}

#[tokio::test]
async fn a_header_without_trusted_proxies_refuses_to_start() {
    let folder = tempfile::tempdir().unwrap();
    let start = async |settings: &[(&str, &str)]| {
        let log = folder.path().join("log");
        let mut launch = Launch::new(binary_path("rollcall-api"), &log)
            .env("DATABASE_URL", "postgres://rollcall:x@127.0.0.1:1/rollcall")
            .env("AMQP_URL", "amqp://127.0.0.1:1/%2f")
            .env("ROLLCALL_KEY", KEY)
            .env("ROLLCALL_UPLOADS", folder.path().join("uploads").display().to_string())
            .env("ROLLCALL_TLS", "off");
        for (name, value) in settings {
            launch = launch.env(name, value);
        }
        let mut process = Process::start(&launch).unwrap();
        eventually("the API exits", async || process.ended()).await;
        std::fs::read_to_string(&log).unwrap()
    };
    let log = start(&[("ROLLCALL_CLIENT_ADDRESS_HEADER", "X-Forwarded-For")]).await;
    assert!(log.contains("ROLLCALL_TRUSTED_PROXIES is not, so any client could forge the header"), "{log}");
    let log = start(&[("ROLLCALL_TRUSTED_PROXIES", "10.0.0.0/8")]).await;
    assert!(log.contains("ROLLCALL_CLIENT_ADDRESS_HEADER is not"), "{log}");
    let log = start(&[("ROLLCALL_TRUSTED_PROXIES", "10.0.0.0/99")]).await;
    assert!(log.contains("give addresses or networks"), "{log}");
}
