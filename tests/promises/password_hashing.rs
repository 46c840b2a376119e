//! An import leaves its passwords sealed, and they are hashed behind it, through a queue: each in the end, once, in turn
//! with those of other tenants, whatever becomes of a message or a worker.

use std::fmt::Write as _;

use lapin::options::QueueDeleteOptions;
use rollcall_schema::password;
use rollcall_tests::harness::{Options, Row, Stack, Tenant, eventually, result};
use serde_json::Value;

/// So long that nothing of it comes in a test.
const NEVER: u32 = 3600;

/// Users of one school, and their passwords.
fn file(users: usize) -> String {
    let mut file = "username,enabled,staffmember,password\n".to_owned();
    for user in 0..users {
        writeln!(file, "user{user},y,y,secret of {user}").unwrap();
    }
    file
}

async fn import(stack: &Stack, tenant: &Tenant, users: usize) {
    stack.post_users_of(tenant, file(users)).await.is(200, &result(&vec![Row::Created; users]));
}

/// How many of a tenant's passwords are under seal.
async fn waiting(stack: &Stack, tenant: &Tenant) -> u64 {
    let query = "select count(*) from users where password_sealed is not null and tenant_id";
    stack.row(&format!("{query} = '{}'", tenant.id)).await["count"].as_u64().unwrap()
}

async fn all_are_hashed(stack: &Stack, tenant: &Tenant) {
    eventually("every password is hashed", async || (waiting(stack, tenant).await == 0).then_some(())).await;
}

/// Asserts that each user of [`file`] has a hash of the password that the file gave.
async fn each_has_its_own(stack: &Stack) {
    let users = stack
        .rows("select username, password_hash, password_sealed from users where username like 'user%'")
        .await;
    let checks = users.into_iter().map(|user| {
        tokio::task::spawn_blocking(move || {
            let number = user["username"].as_str().unwrap().trim_start_matches("user");
            let hash = user["password_hash"].as_str().unwrap();
            assert!(password::verify(format!("secret of {number}").as_bytes(), hash), "{user}");
            assert_eq!(user["password_sealed"], Value::Null);
        })
    });
    for check in checks.collect::<Vec<_>>() {
        check.await.unwrap();
    }
}

/// A stack whose worker leaves passwords to others, and an import of so many.
async fn with_sealed(options: Options, users: usize) -> Stack {
    let stack = options.worker_env("ROLLCALL_WORKER_HASHING_THREADS", 0).start().await;
    import(&stack, stack.school(), users).await;
    assert_eq!(waiting(&stack, stack.school()).await, users as u64);
    // Published when the import has ended, which its sender hears of first.
    eventually("the hashing is announced", async || {
        let turns = stack.rows("select from hashing_turns").await;
        (!turns.is_empty()).then_some(())
    })
    .await;
    stack
}

/// Threads of a process that run only when nobody else wants the processor.
fn threads_that_give_way(process: u32) -> usize {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let stats =
        threads.filter_map(|thread| std::fs::read_to_string(thread.unwrap().path().join("stat")).ok());
    // The niceness is the nineteenth field; the second, a name in brackets, may hold blanks.
    let niceness = |stat: String| stat.rsplit_once(')')?.1.split_whitespace().nth(16)?.parse::<i32>().ok();
    stats.filter_map(niceness).filter(|nice| *nice == 19).count()
}

const HASHES: &[(&str, &str)] = &[("ROLLCALL_WORKER_HASHING_THREADS", "2")];

#[tokio::test]
async fn passwords_are_hashed_through_their_queue() {
    let options = Options::default().worker_env("ROLLCALL_WAKE_UP_PATIENCE_SECONDS", NEVER);
    let mut stack = with_sealed(options, 20).await;
    // Asks Postgres for no waiting password before the queue has told of one.
    stack.start_worker_with(HASHES);
    all_are_hashed(&stack, stack.school()).await;
    each_has_its_own(&stack).await;
    // Not in the way of an import, nor of a login.
    let giving_way: Vec<usize> = stack.worker_ids().into_iter().map(threads_that_give_way).collect();
    assert_eq!((giving_way, threads_that_give_way(stack.api_id())), (vec![0, 2], 0));
}

#[tokio::test]
async fn lost_message_and_unopenable_seal_block_no_password() {
    let options = Options::default()
        .worker_env("ROLLCALL_RELAY_SECONDS", 0.1)
        .worker_env("ROLLCALL_WAKE_UP_PATIENCE_SECONDS", 0.5);
    let mut stack = with_sealed(options, 10).await;
    stack.stop_workers();
    let broker = stack.broker();
    let channel = broker.channel().await.unwrap();
    let lost = channel.queue_delete(broker.passwords().into(), QueueDeleteOptions::default()).await.unwrap();
    assert!(lost >= 1, "the import has told of its passwords");
    let foreign =
        "insert into users (tenant_id, id, username, username_key, enabled, staff_member, password_sealed,
                                      password_fingerprint)
                   select tenant_id, gen_random_uuid(), 'odd', 'odd', true, true, password_sealed, '\\x00'
                     from users where username = 'user3'";
    stack.execute(foreign).await;

    stack.start_worker_with(HASHES);
    all_are_hashed(&stack, stack.school()).await;
    each_has_its_own(&stack).await;
    let odd = "select password_hash, password_fingerprint from users where username = 'odd'";
    let odd = stack.row(odd).await;
    assert!(odd["password_hash"].is_null() && odd["password_fingerprint"].is_null(), "{odd}");
}

#[tokio::test]
async fn unchanged_password_is_not_hashed_again() {
    let stack = Stack::new().await;
    import(&stack, stack.school(), 3).await;
    all_are_hashed(&stack, stack.school()).await;
    let query = "select username, password_hash, password_sealed from users order by username";
    let before = stack.rows(query).await;
    let changed = file(3).replace("user1,y,y,secret of 1", "user1,n,y,secret of 1");
    for file in [file(3), changed] {
        stack.post_users(file).await.is(200, &result(&[Row::Updated; 3]));
        assert_eq!(stack.rows(query).await, before);
    }
}

#[tokio::test]
async fn another_worker_continues_when_one_is_killed() {
    const USERS: usize = 40;
    let mut stack = Options::default()
        .worker_env("ROLLCALL_WORKER_HASHING_THREADS", 1)
        // Not by the relay: the broker gives the turns of the dead to the living.
        .worker_env("ROLLCALL_WAKE_UP_PATIENCE_SECONDS", NEVER)
        .start()
        .await;
    import(&stack, stack.school(), USERS).await;
    let school = stack.school().clone();
    eventually("some are hashed", async || (waiting(&stack, &school).await < USERS as u64).then_some(()))
        .await;
    stack.kill_workers();
    assert_ne!(waiting(&stack, &school).await, 0, "it is killed amid the hashing");
    stack.start_worker_with(HASHES);
    all_are_hashed(&stack, &school).await;
    each_has_its_own(&stack).await;
}

#[tokio::test]
async fn tenants_share_the_hashing_workers() {
    let stack = Options::default().worker_env("ROLLCALL_WORKER_HASHING_THREADS", 1).start().await;
    let district = stack.add_tenant("district").await;
    import(&stack, &district, 100).await;
    import(&stack, stack.school(), 10).await;
    all_are_hashed(&stack, stack.school()).await;
    assert_ne!(waiting(&stack, &district).await, 0, "the school does not wait for the district");
}
