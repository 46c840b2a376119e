//! Whatever freezes or is lost, an import begins within a lease and a sweep of the relay, as long as a worker is free
//! (invariants 1 and 4).

use std::time::Duration;

use lapin::options::{QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::FieldTable;
use rollcall_schema::lane::Lane;
use rollcall_tests::harness::{Options, Stack, Tenant, eventually};
use rollcall_tests::rosters::mixed::mixed;
use rollcall_tests::tables::assert_matches_oracle;

const LEASE: Duration = Duration::from_secs(4);
const SWEEP: Duration = Duration::from_millis(500);
/// For a busy machine. What would start an import otherwise takes 20 s and more.
const SLACK: Duration = Duration::from_secs(6);

/// As shipped, but for the lease and the sweep.
fn options() -> Options {
    Options::default()
        .worker_env("ROLLCALL_LEASE_SECONDS", LEASE.as_secs_f64())
        .worker_env("ROLLCALL_RELAY_INTERVAL_SECONDS", SWEEP.as_secs_f64())
}

/// Sends a file of each tenant, waits until all are imported, and returns the longest time that one waited for its worker.
async fn longest_wait(stack: &Stack, tenants: &[Tenant], mark: &str) -> Duration {
    let file = |tenant: &Tenant| mixed(12, &format!("{mark} {}", tenant.name), 0);
    for tenant in tenants {
        stack.submit(tenant, file(tenant)).await;
    }
    for tenant in tenants {
        assert_matches_oracle(stack, tenant, &[file(tenant)]).await;
    }
    let wait = "select extract(epoch from max(started_at - submitted_at))::float8 as seconds from imports";
    Duration::from_secs_f64(stack.row(wait).await["seconds"].as_f64().unwrap())
}

/// Waits until every slot of so many workers has subscribed to its queue.
async fn wait_until_subscribed(stack: &Stack, workers: u32) {
    let broker = stack.broker();
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    // As shipped, a worker has so many slots.
    for (lane, slots) in [(Lane::Small, 4), (Lane::Bulk, 2)] {
        let queue = broker.topology().queue(lane);
        eventually("the workers have subscribed", async || {
            let channel = broker.channel().await.ok()?;
            let declared = channel.queue_declare(queue.as_str().into(), passive, FieldTable::default());
            (declared.await.ok()?.consumer_count() == workers * slots).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn frozen_worker_delays_no_import_by_more_than_a_lease_and_a_sweep() {
    let mut stack = options().workers(2).start().await;
    let mut tenants = vec![stack.school().clone()];
    for number in 0..7 {
        tenants.push(stack.add_tenant(&format!("school-{number}")).await);
    }
    wait_until_subscribed(&stack, 2).await;
    stack.worker(0).pause();
    let waited = longest_wait(&stack, &tenants, "frozen").await;
    println!(
        "one of two workers frozen: {} imports, the last began after {:.1} s, with a lease of {} s and a sweep every {} s",
        tenants.len(),
        waited.as_secs_f64(),
        LEASE.as_secs(),
        SWEEP.as_secs_f64()
    );
    assert!(waited < LEASE + SWEEP + SLACK, "{waited:?}");
    stack.worker(0).resume();
}

#[tokio::test]
async fn deleted_queue_delays_no_import_by_more_than_a_lease_and_a_sweep() {
    let stack = options().start().await;
    wait_until_subscribed(&stack, 1).await;
    let broker = stack.broker();
    let channel = broker.channel().await.unwrap();
    for &lane in Lane::ALL {
        let queue = broker.topology().queue(lane);
        channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await.unwrap();
    }
    let waited = longest_wait(&stack, &[stack.school().clone()], "deleted").await;
    println!("its queue deleted, an import began after {:.1} s", waited.as_secs_f64());
    assert!(waited < LEASE + SWEEP + SLACK, "{waited:?}");
}
