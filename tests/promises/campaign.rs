//! With everything around it killed, frozen and restarted at random, every accepted import ends in exactly one result, as
//! if nothing had happened: a short form of `./tests/campaign`.

use std::time::Duration;

use rollcall_tests::campaign::{Plan, round};

#[tokio::test]
async fn random_faults_change_no_result() {
    round(Plan { seed: 1, tenants: 12, files: 6, pause: Duration::from_secs(8) }).await;
}
