//! An import leaves its passwords sealed. They are hashed afterwards through the hashing queue, each exactly once, even if a
//! message is lost or a worker dies, and tenants share the hashing fairly (invariants 1, 5 and 10).

use std::fmt::Write as _;

use lapin::options::QueueDeleteOptions;
use rollcall_schema::passwords::argon2;
use rollcall_tests::harness::{Options, Row, Stack, Tenant, eventually, result};
use serde_json::Value;

/// Longer than any test.
const NEVER: u32 = 3600;

/// A file of users with a password each.
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

/// The number of a tenant's sealed passwords.
async fn sealed(stack: &Stack, tenant: &Tenant) -> u64 {
    let query = "select count(*) from users where password_sealed is not null and tenant_id";
    stack.row(&format!("{query} = '{}'", tenant.id)).await["count"].as_u64().unwrap()
}

async fn wait_until_hashed(stack: &Stack, tenant: &Tenant) {
    eventually("every password is hashed", async || (sealed(stack, tenant).await == 0).then_some(())).await;
}

/// Asserts that each user of [`file`] has a hash of their own password.
async fn assert_hashes_match(stack: &Stack) {
    let users = stack
        .rows("select username, password_hash, password_sealed from users where username like 'user%'")
        .await;
    let checks = users.into_iter().map(|user| {
        tokio::task::spawn_blocking(move || {
            let number = user["username"].as_str().unwrap().trim_start_matches("user");
            let hash = user["password_hash"].as_str().unwrap();
            assert!(argon2::verify(format!("secret of {number}").as_bytes(), hash), "{user}");
            assert_eq!(user["password_sealed"], Value::Null);
        })
    });
    for check in checks.collect::<Vec<_>>() {
        check.await.unwrap();
    }
}

/// A stack whose worker hashes nothing, with an import of this many users.
async fn with_sealed(options: Options, users: usize) -> Stack {
    let stack = options.worker_env("ROLLCALL_WORKER_HASHING_THREADS", 0).start().await;
    import(&stack, stack.school(), users).await;
    assert_eq!(sealed(&stack, stack.school()).await, users as u64);
    // The request is published after the import has ended, and the client gets its answer first.
    eventually("the hash batch request is published", async || {
        let requests = stack.rows("select from hash_queue").await;
        (!requests.is_empty()).then_some(())
    })
    .await;
    stack
}

/// The number of threads of a process that have the lowest priority.
fn low_priority_threads(process: u32) -> usize {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let stats =
        threads.filter_map(|thread| std::fs::read_to_string(thread.unwrap().path().join("stat")).ok());
    // The niceness is the nineteenth field. The second, a name in brackets, may contain spaces.
    let niceness = |stat: String| stat.rsplit_once(')')?.1.split_whitespace().nth(16)?.parse::<i32>().ok();
    stats.filter_map(niceness).filter(|nice| *nice == 19).count()
}

const HASHES: &[(&str, &str)] = &[("ROLLCALL_WORKER_HASHING_THREADS", "2")];

#[tokio::test]
async fn passwords_are_hashed_through_their_queue() {
    let options = Options::default().worker_env("ROLLCALL_REPUBLISH_AFTER_SECONDS", NEVER);
    let mut stack = with_sealed(options, 20).await;
    // This worker looks for sealed passwords only when a message arrives.
    stack.start_worker_with(HASHES);
    wait_until_hashed(&stack, stack.school()).await;
    assert_hashes_match(&stack).await;
    // Hashing gives way to imports and logins.
    let low_priority: Vec<usize> = stack.worker_ids().into_iter().map(low_priority_threads).collect();
    assert_eq!((low_priority, low_priority_threads(stack.api_id())), (vec![0, 2], 0));
}

#[tokio::test]
async fn lost_message_and_unopenable_seal_block_no_password_and_drop_none() {
    let options = Options::default()
        .worker_env("ROLLCALL_RELAY_INTERVAL_SECONDS", 0.1)
        .worker_env("ROLLCALL_REPUBLISH_AFTER_SECONDS", 0.5);
    let mut stack = with_sealed(options, 10).await;
    stack.stop_workers();
    let broker = stack.broker();
    let channel = broker.channel().await.unwrap();
    let lost = channel
        .queue_delete(broker.topology().passwords().into(), QueueDeleteOptions::default())
        .await
        .unwrap();
    assert!(lost >= 1, "the import has published its request");
    let foreign =
        "insert into users (tenant_id, id, username, username_key, enabled, staff_member, password_sealed,
                                      password_fingerprint)
                   select tenant_id, gen_random_uuid(), 'odd', 'odd', true, true, password_sealed, '\\x00'
                     from users where username = 'user3'";
    stack.execute(foreign).await;

    stack.start_worker_with(HASHES);
    eventually("all others are hashed", async || (sealed(&stack, stack.school()).await == 1).then_some(()))
        .await;
    assert_hashes_match(&stack).await;
    let odd = "select password_hash, password_sealed, password_fingerprint from users where username = 'odd'";
    let odd = stack.row(odd).await;
    assert!(odd["password_hash"].is_null(), "{odd}");
    assert!(!odd["password_sealed"].is_null() && !odd["password_fingerprint"].is_null(), "{odd}");
}

#[tokio::test]
async fn unchanged_password_is_not_hashed_again() {
    let stack = Stack::new().await;
    import(&stack, stack.school(), 3).await;
    wait_until_hashed(&stack, stack.school()).await;
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
        // Without the relay: RabbitMQ redelivers the dead worker's requests.
        .worker_env("ROLLCALL_REPUBLISH_AFTER_SECONDS", NEVER)
        .start()
        .await;
    import(&stack, stack.school(), USERS).await;
    let school = stack.school().clone();
    eventually("some are hashed", async || (sealed(&stack, &school).await < USERS as u64).then_some(()))
        .await;
    stack.kill_workers();
    assert_ne!(sealed(&stack, &school).await, 0, "it is killed while it is hashing");
    stack.start_worker_with(HASHES);
    wait_until_hashed(&stack, &school).await;
    assert_hashes_match(&stack).await;
}

#[tokio::test]
async fn tenants_share_the_hashing_workers() {
    let stack = Options::default().worker_env("ROLLCALL_WORKER_HASHING_THREADS", 1).start().await;
    let district = stack.add_tenant("district").await;
    import(&stack, &district, 100).await;
    import(&stack, stack.school(), 10).await;
    wait_until_hashed(&stack, stack.school()).await;
    assert_ne!(sealed(&stack, &district).await, 0, "the school does not wait for the district");
}
