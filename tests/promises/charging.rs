//! An attempt counts against an import only if the file can be the reason that it failed (invariant 6): a worker that was
//! not heard of again, a panic, a rule of the database. What servers and networks do is waited for.

use std::time::Duration;

use rollcall_tests::harness::{Options, Proxy, eventually, servers};
use rollcall_tests::rosters::mixed::mixed;
use rollcall_tests::tables::assert_matches_oracle;

/// The database is out of reach for all workers for longer than a lease. Nothing that expires meanwhile is charged: here,
/// one charged attempt would end the import.
#[tokio::test]
async fn leases_that_expire_during_an_outage_charge_no_import() {
    let servers = tokio::task::spawn_blocking(servers).await.unwrap();
    let postgres = Proxy::start(port(&servers.database_url)).await;
    let mut stack = Options::fast_recovery()
        .workers(0)
        .worker_env("ROLLCALL_MAX_ATTEMPTS", 1)
        .worker_env("ROLLCALL_LEASE_SECONDS", 2)
        .postgres_through(&postgres)
        .start()
        .await;
    for _ in 0..2 {
        stack.start_worker();
    }
    let file = mixed(24, "waited out", 0);
    let school = stack.school().clone();
    let lock = stack.lock_users().await;
    stack.submit(&school, &file).await;
    stack.wait_for_blocked_chunk().await;
    postgres.partition();
    let expired = "select from imports where state = 'running' and lease_until < now() - interval '1 second'";
    eventually("its lease has expired", async || (!stack.rows(expired).await.is_empty()).then_some(())).await;
    postgres.heal();
    drop(lock);
    assert_matches_oracle(&stack, &school, &[file]).await;
    println!(
        "an import whose lease expired during an outage was imported in {} attempts, none of them charged",
        stack.attempts(&school, 1).await
    );
    stack.assert_nothing_left_over().await;
}

/// A rule that an operator has added to the tables is a reason that a file can cause: after the configured number of
/// attempts the import is abandoned.
#[tokio::test]
async fn rule_of_the_database_is_charged() {
    let mut stack = Options::fast_recovery().workers(0).worker_env("ROLLCALL_MAX_ATTEMPTS", 2).start().await;
    stack
        .execute(
            "create function refuse() returns trigger language plpgsql as $$
             begin if new.username = 'autoimport' then return new; end if; raise 'not today'; end $$",
        )
        .await;
    stack
        .execute("create trigger refuse before insert on users for each row execute function refuse()")
        .await;
    let location = stack.submit(stack.school(), "username,enabled,staffmember\njane,y,y\n").await;
    stack.start_worker();
    let abandoned = stack.wait_for_result(&location).await;
    let summary = abandoned.is_failure(200);
    assert!(
        summary.starts_with("The import was given up after 2 attempts: the database failed."),
        "{summary}"
    );
}

/// A worker that is told to stop and is killed before it has released its imports did not die of them.
#[tokio::test]
async fn worker_killed_while_it_stops_charges_no_import() {
    let mut stack = Options::fast_recovery().workers(0).worker_env("ROLLCALL_MAX_ATTEMPTS", 1).start().await;
    let file = mixed(24, "stopped", 0);
    let school = stack.school().clone();
    let lock = stack.lock_users().await;
    stack.start_worker();
    stack.submit(&school, &file).await;
    stack.wait_for_blocked_chunk().await;
    stack.worker(0).ask_to_stop();
    eventually("the database knows that it stops", async || {
        (!stack.rows("select from workers where stopping").await.is_empty()).then_some(())
    })
    .await;
    stack.kill_worker(0);
    drop(lock);
    stack.start_worker();
    assert_matches_oracle(&stack, &school, &[file]).await;
    tokio::time::timeout(Duration::from_mins(1), stack.assert_nothing_left_over()).await.unwrap();
}

fn port(url: &str) -> u16 {
    let (_, host) = url.rsplit_once('@').unwrap();
    host.split(['/', '?']).next().unwrap().rsplit(':').next().unwrap().parse().unwrap()
}
