//! Processes and servers are killed, frozen and restarted at random, and every accepted import still ends in exactly one
//! result, as if nothing had happened (invariants 3 and 6). A short form of `./tests/campaign`.

use std::time::Duration;

use rollcall_tests::campaign::{Plan, round};

#[tokio::test]
async fn random_faults_change_no_result() {
    round(Plan { seed: 1, tenants: 12, files: 6, pause: Duration::from_secs(8) }).await;
}
