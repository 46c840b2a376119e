//! Clients that go on guessing passwords slow themselves and no other: a right login passes, whether or not it was verified
//! before, from the address that the flood comes from as well as from another.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use diesel_async::SimpleAsyncConnection as _;
use futures_util::future::join_all;
use reqwest::Method;
use rollcall_schema::passwords::argon2;
use rollcall_tests::harness::{Options, PASSWORD, RawConnection, Stack, basic, eventually, multipart};
use tokio::task::JoinHandle;
use tokio::time::timeout;

const USERS: &str = "/api/import/users";
const JOBS: &str = "/api/import/jobs";
const JANE: &str = "username,enabled,staffmember\njane,y,y\n";

/// Adds administrators `good0`, `good1`, … whose password takes as long to verify as every password.
async fn add_administrators(stack: &Stack, count: u32) {
    let hash = argon2::hash(PASSWORD.as_bytes());
    let tenant = stack.school().id;
    stack
        .execute(&format!(
            "with added as (
                 insert into users (tenant_id, id, username, username_key, enabled, staff_member, password_hash)
                 select '{tenant}', gen_random_uuid(), 'good' || n, 'good' || n, true, true, '{hash}'
                   from generate_series(0, {count} - 1) as n
                 returning id
             )
             insert into system_group_members (tenant_id, user_id, group_id)
             select '{tenant}', added.id, groups.id from added, system_groups as groups
              where groups.tenant_id = '{tenant}' and groups.grants_administration"
        ))
        .await;
}

/// Sends requests from a number of connections, each as soon as the one before was answered.
struct Flood {
    stop: Arc<AtomicBool>,
    sockets: Vec<JoinHandle<BTreeMap<u16, u64>>>,
    answered: Arc<AtomicU64>,
}

impl Flood {
    /// `credentials` are those of the socket's next request, by the numbers of socket and request.
    async fn start(
        stack: &Stack,
        from: &str,
        sockets: u64,
        credentials: fn(u64, u64) -> (String, String),
    ) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut running = Vec::new();
        for socket in 0..sockets {
            let mut connection = RawConnection::open_from(stack, from).await;
            let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
            running.push(tokio::spawn(async move {
                let mut statuses = BTreeMap::new();
                for request in 0.. {
                    let (username, password) = credentials(socket, request);
                    let authorization = basic(&username, &password);
                    let head =
                        format!("GET {JOBS} HTTP/1.1\r\nHost: x\r\nAuthorization: {authorization}\r\n\r\n");
                    if connection.try_send(head).await.is_err() {
                        break;
                    }
                    let Some(answer) = connection.answer_or_end().await else { break };
                    *statuses.entry(answer.status).or_insert(0) += 1;
                    answered.fetch_add(1, Ordering::Relaxed);
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                }
                statuses
            }));
        }
        Self { stop, sockets: running, answered }
    }

    /// Waits until this many requests have been answered.
    async fn is_answered(&self, count: u64) {
        eventually("the flood is answered", async || {
            (self.answered.load(Ordering::Relaxed) >= count).then_some(())
        })
        .await;
    }

    /// The answers by status.
    async fn stop(self) -> BTreeMap<u16, u64> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = BTreeMap::new();
        for statuses in join_all(self.sockets).await {
            for (status, count) in statuses.unwrap() {
                *all.entry(status).or_insert(0) += count;
            }
        }
        all
    }
}

/// An import of an administrator, and how long its answer took.
async fn import(stack: &Stack, username: &str) -> Duration {
    let (content_type, body) = multipart("", JANE.as_bytes());
    let request = stack
        .anonymous(Method::POST, USERS)
        .basic_auth(username, Some(PASSWORD))
        .header("content-type", content_type)
        .body(body);
    let began = Instant::now();
    let answer = stack.send(request).await;
    assert!(answer.status == 200, "{username} after {:?}: {}", began.elapsed(), answer.text());
    began.elapsed()
}

/// The median and the highest of some times.
fn figures(times: &mut [Duration]) -> (Duration, Duration) {
    times.sort_unstable();
    (times[times.len() / 2], times[times.len() - 1])
}

/// A second or, where the machine is so busy that forty passwords take longer than that to verify, as long as they take.
fn one_second() -> Duration {
    let hash = argon2::hash(PASSWORD.as_bytes());
    let mut times: Vec<_> = (0..5)
        .map(|_| {
            let began = Instant::now();
            assert!(argon2::verify(PASSWORD.as_bytes(), &hash));
            began.elapsed()
        })
        .collect();
    let (median, _) = figures(&mut times);
    println!("a password takes {median:?} to verify");
    Duration::from_secs(1).max(median * 40)
}

/// Imports with administrators that log in for the first time, and with one that did before, for some seconds of a flood.
async fn imports_during_flood(name: &str, credentials: fn(u64, u64) -> (String, String)) {
    // A flood of ROLLCALL_FLOOD_SECONDS, for a longer one.
    let seconds =
        std::env::var("ROLLCALL_FLOOD_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(4);
    let limit = one_second();
    let stack = Options::default().start().await;
    add_administrators(&stack, 10_000).await;
    import(&stack, "good0").await;
    let flood = Flood::start(&stack, "127.0.0.1", 24, credentials).await;
    flood.is_answered(24).await;
    let (mut verified, mut first) = (Vec::new(), Vec::new());
    let began = Instant::now();
    for n in 1.. {
        verified.push(import(&stack, "good0").await);
        first.push(import(&stack, &format!("good{n}")).await);
        if began.elapsed() > Duration::from_secs(seconds) && n >= 10 {
            break;
        }
    }
    let statuses = flood.stop().await;
    let (verified_median, verified_highest) = figures(&mut verified);
    let (first_median, first_highest) = figures(&mut first);
    println!(
        "{name}, 24 sockets at the same address: {} imports all 200; verified before: median {verified_median:?}, highest \
         {verified_highest:?}; for the first time: median {first_median:?}, highest {first_highest:?}; flood: {statuses:?}",
        verified.len() + first.len()
    );
    assert!(verified_highest < limit, "{verified_highest:?}");
    assert!(first_highest < limit, "{first_highest:?}");
    assert!(statuses.keys().all(|status| [401, 429].contains(status)), "{statuses:?}");
}

#[tokio::test]
async fn good_client_imports_while_its_address_floods_its_accounts() {
    imports_during_flood("guesses for its own accounts", |socket, request| {
        (format!("good{}", request % 12), format!("guess {socket} {request}"))
    })
    .await;
}

#[tokio::test]
async fn good_client_imports_while_its_address_floods_unknown_accounts() {
    imports_during_flood("unknown accounts", |socket, request| {
        (format!("stranger{socket}-{request}"), "guess".to_owned())
    })
    .await;
}

#[tokio::test]
async fn good_client_imports_while_its_address_repeats_one_wrong_login() {
    imports_during_flood("one wrong login", |_, _| ("good1".to_owned(), "wrong".to_owned())).await;
}

/// Many connections of a client that is slowed cost a client elsewhere next to nothing, because they do not reach the
/// database.
#[tokio::test]
async fn many_connections_of_a_slowed_client_do_not_slow_another() {
    let limit = one_second();
    let stack = Options::default().start().await;
    add_administrators(&stack, 2).await;
    import(&stack, "good0").await;
    let mut quiet = Vec::new();
    for _ in 0..20 {
        quiet.push(import(&stack, "good0").await);
    }
    let flood = Flood::start(&stack, "127.0.0.2", 300, |socket, request| {
        ("good1".to_owned(), format!("guess {socket} {request}"))
    })
    .await;
    flood.is_answered(500).await;
    let before = flood.answered.load(Ordering::Relaxed);
    let began = Instant::now();
    // The owner of the account logs in for the first time.
    let owner = import(&stack, "good1").await;
    assert!(owner < limit, "{owner:?}");
    let mut loaded = vec![owner];
    while began.elapsed() < Duration::from_secs(2) {
        loaded.push(import(&stack, "good0").await);
    }
    #[expect(clippy::cast_precision_loss, reason = "a figure to be read")]
    let rate = (flood.answered.load(Ordering::Relaxed) - before) as f64 / began.elapsed().as_secs_f64();
    drop(flood.sockets);
    let (quiet, (median, highest)) = (figures(&mut quiet), figures(&mut loaded));
    println!(
        "300 connections of a slowed client are answered {rate:.0} times a second; a client elsewhere imports in {median:?}, \
         at most {highest:?}; without them in {:?}",
        quiet.0
    );
    assert!(rate < 600.0, "{rate}");
    assert!(highest < limit && median < limit / 4, "{median:?} {highest:?}");
}

/// All places of this address are taken by wrong logins that wait for their answer: what the memory and the tables still
/// recognise passes, and the rest is refused without the database.
#[tokio::test]
async fn recognised_and_familiar_logins_pass_where_no_place_is_left() {
    let mut stack = Options::default()
        .workers(0)
        .api_env("ROLLCALL_FAILED_LOGINS_PER_ADDRESS", 1)
        .api_env("ROLLCALL_FAILED_LOGIN_DELAY_SECONDS", 60)
        .start()
        .await;
    add_administrators(&stack, 500).await;
    let status = async |stack: &Stack, username: &str| {
        let request = stack.anonymous(Method::GET, JOBS).basic_auth(username, Some(PASSWORD));
        timeout(Duration::from_secs(20), stack.send(request)).await.expect("it is answered").status
    };
    // good1 logs in today, and did so on another day.
    assert_eq!(status(&stack, "good1").await, 200);
    eventually("the network is noted", async || {
        let rows = stack.rows("select network, days, pair from login_networks").await;
        (rows.len() == 1)
            .then(|| assert_eq!((&rows[0]["network"], &rows[0]["days"]), (&"127.0.0.1".into(), &1.into())))
    })
    .await;
    stack.execute("update login_networks set last_good_on = current_date - 1").await;
    stack.stop_api().await;
    stack.start_api().await;
    assert_eq!(status(&stack, "good1").await, 200);
    eventually("the second day is noted", async || {
        (stack.row("select days from login_networks").await["days"] == 2).then_some(())
    })
    .await;
    // Started again, the API has the pair from the tables only. good0 is recognised because it has logged in since.
    stack.stop_api().await;
    stack.start_api().await;
    assert_eq!(status(&stack, "good0").await, 200);

    let flood = Flood::start(&stack, "127.0.0.1", 40, |socket, request| {
        (format!("stranger{socket}"), format!("guess {request}"))
    })
    .await;
    let next = AtomicU64::new(10);
    eventually("no place is left", async || {
        let fresh = format!("good{}", next.fetch_add(1, Ordering::Relaxed));
        (status(&stack, &fresh).await == 429).then_some(())
    })
    .await;
    // The database is not asked for what is refused.
    let mut lock = stack.database.connection().await.unwrap();
    lock.batch_execute("begin; lock table tenants in access exclusive mode").await.unwrap();
    assert_eq!(status(&stack, "good2").await, 429);
    lock.batch_execute("rollback").await.unwrap();
    drop(lock);

    assert_eq!(status(&stack, "good0").await, 200, "it was right before");
    assert_eq!(status(&stack, "good1").await, 200, "it was right on two days");
    let familiar = stack.api_log().contains("failed to read the networks");
    assert!(!familiar, "{}", stack.logs());
    assert_eq!(status(&stack, "good2").await, 429, "the others have to wait");
    // A password that was changed counts from the next request on, also for who is recognised.
    stack.execute("update users set password_hash = null where username = 'good0'").await;
    let changed = stack.anonymous(Method::GET, JOBS).basic_auth("good0", Some(PASSWORD));
    assert!(timeout(Duration::from_secs(1), stack.send(changed)).await.is_err(), "it is wrong, and waits");
    drop(flood.sockets);
}

/// Many requests that log in for the first time are all accepted: no flood, only many schools at once.
#[tokio::test]
async fn many_first_logins_at_once_are_all_accepted() {
    let stack = Options::default().workers(0).start().await;
    add_administrators(&stack, 200).await;
    let began = Instant::now();
    let statuses = join_all((0..200).map(|n| {
        let request = stack.anonymous(Method::GET, JOBS).basic_auth(format!("good{n}"), Some(PASSWORD));
        stack.send(request)
    }))
    .await;
    println!("200 first logins at once took {:?}", began.elapsed());
    assert!(statuses.iter().all(|answer| answer.status == 200));
    stack.get(JOBS).await.is(200, r#"{"jobs":[],"next":null}"#);
}
