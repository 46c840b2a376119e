//! A wake-up may arrive twice, out of order, in the wrong queue or long after its import has ended: it changes nothing
//! (invariants 1 and 5).

use rollcall_schema::lane::Lane;
use rollcall_schema::rabbitmq::messages::WakeUp;
use rollcall_schema::telemetry::TraceContext;
use rollcall_tests::harness::{Options, Stack, Tenant};
use rollcall_tests::rosters::mixed::mixed;
use rollcall_tests::tables::assert_matches_oracle;

/// Imports of each tenant.
const IMPORTS: usize = 3;

#[tokio::test]
async fn duplicate_misordered_and_late_wake_ups_change_nothing() {
    let mut stack = Options::fast_recovery().workers(0).start().await;
    let mut tenants = vec![stack.school().clone()];
    for name in ["second", "third"] {
        tenants.push(stack.add_tenant(name).await);
    }
    let files: Vec<String> = (0..IMPORTS).map(|number| mixed(24, &format!("number {number}"), 0)).collect();
    for file in &files {
        for tenant in &tenants {
            stack.submit(tenant, file).await;
        }
    }
    for _ in 0..2 {
        publish_in_reverse(&stack, &tenants).await;
    }
    for _ in 0..2 {
        stack.start_worker();
    }
    assert_each_ran_once(&stack, &tenants, &files).await;

    publish_in_reverse(&stack, &tenants).await;
    assert_each_ran_once(&stack, &tenants, &files).await;
    // And once more while another import of the tenant is running.
    let lock = stack.lock_users().await;
    let next = mixed(24, "the next", 0);
    stack.submit(&tenants[0], &next).await;
    stack.wait_for_blocked_chunk().await;
    publish_in_reverse(&stack, &tenants).await;
    drop(lock);
    assert_matches_oracle(&stack, &tenants[0], &[&files[..], &[next]].concat()).await;
    assert_eq!(stack.attempts(&tenants[0], IMPORTS + 1).await, 1);
    assert_each_ran_once(&stack, &tenants[1..], &files).await;
}

/// Publishes a wake-up of each import to each lane, newest import first.
async fn publish_in_reverse(stack: &Stack, tenants: &[Tenant]) {
    let broker = stack.broker();
    for tenant in tenants {
        let mut imports = stack.imports_in_order(tenant).await;
        imports.reverse();
        for import in imports {
            let wake_up =
                WakeUp { tenant: tenant.id, import: import.parse().unwrap(), trace: TraceContext::default() };
            for &lane in Lane::ALL {
                broker.publish_wake_up(lane, &wake_up).await.unwrap();
            }
        }
    }
}

async fn assert_each_ran_once(stack: &Stack, tenants: &[Tenant], files: &[String]) {
    for tenant in tenants {
        assert_matches_oracle(stack, tenant, files).await;
    }
    stack.assert_nothing_left_over().await;
    for tenant in tenants {
        for position in 1..=files.len() {
            assert_eq!(stack.attempts(tenant, position).await, 1);
        }
    }
}
