//! The fault campaign: schools send rosters while the service's processes and servers are killed, frozen and restarted. In
//! the end every accepted import has exactly one result, every table matches the oracle's, and nothing is left over.
//!
//! The seed determines which faults are injected and what the files contain. When they happen depends on the machine.

mod faults;
mod school;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use sha2::{Digest as _, Sha256};

use crate::harness::{DedicatedServer, Options, Stack, Tenant};
use crate::rosters::rng::Rng;
use crate::tables::assert_matches_oracle;
use faults::Faults;
use school::{School, Sent};

/// How long the imports may take to end after the last fault: failed attempts are retried with growing delays.
const SETTLE_TIMEOUT: Duration = Duration::from_mins(5);

/// The seed and the size of a round.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub seed: u64,
    pub tenants: usize,
    /// How many files each tenant sends.
    pub files: usize,
    /// The longest time that a tenant waits before it sends the next file.
    pub pause: Duration,
}

/// Prints how to repeat a round that panicked.
struct ReproductionHint(Plan);

impl Drop for ReproductionHint {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Plan { seed, tenants, files, .. } = self.0;
            eprintln!(
                "the campaign failed; to repeat it: ./tests/campaign --seed {seed} --tenants {tenants} --files {files}"
            );
        }
    }
}

/// Runs a round on dedicated servers. Panics if a guarantee is violated.
pub async fn round(plan: Plan) {
    let _hint = ReproductionHint(plan);
    let started = Instant::now();
    println!("seed {}: {} imports of {} tenants", plan.seed, plan.tenants * plan.files, plan.tenants);
    let (postgres, rabbitmq) = tokio::join!(DedicatedServer::postgres(), DedicatedServer::rabbitmq());
    let mut stack = Options::fast_recovery()
        .postgres(&postgres)
        .rabbitmq(&rabbitmq)
        .workers(faults::WORKERS)
        .without_tenant()
        .start()
        .await;
    let mut schools = Vec::new();
    for number in 0..plan.tenants {
        let tenant = stack.add_tenant(&format!("school-{number}")).await;
        let dice = Rng::new(plan.seed.wrapping_mul(1_000_003).wrapping_add(number as u64));
        schools.push(School::new(&stack, tenant, dice));
    }

    let mut faults = Faults::new(plan.seed, postgres, rabbitmq, &stack.test_database.url);
    let sending = join_all(schools.iter_mut().map(|school| school.send(plan.files, plan.pause)));
    let sent: Vec<Vec<Sent>> = tokio::select! {
        sent = sending => sent,
        () = faults.inject(&mut stack) => unreachable!("faults are injected until the schools have finished"),
    };
    faults.repair(&mut stack).await;
    println!(
        "{}\nthe last fault was repaired after {:.0} s",
        faults.summary(),
        started.elapsed().as_secs_f64()
    );

    wait_until_finished(&stack).await;
    let mut imports = 0;
    for (school, sent) in schools.iter().zip(&sent) {
        imports += verify(&stack, school.tenant(), sent).await;
    }
    stack.assert_nothing_left_over().await;
    let figures = stack
        .row(
            "select count(*) filter (where failure_kind = 'abandoned') as abandoned, max(attempt) as attempts,
                    max(extract(epoch from finished_at - submitted_at))::integer as longest from imports",
        )
        .await;
    println!(
        "{imports} imports ended as the oracle's, {} abandoned, at most {} attempts and {} s each, after {:.0} s in all",
        figures["abandoned"],
        figures["attempts"],
        figures["longest"],
        started.elapsed().as_secs_f64()
    );
    assert_eq!(figures["abandoned"], 0);
}

/// Waits until every import has its result.
async fn wait_until_finished(stack: &Stack) {
    let deadline = Instant::now() + SETTLE_TIMEOUT;
    loop {
        let left = stack
            .rows(
                "select id, queue_position, state, attempt, failures, lease_until, not_before, published_at, publish_count, now()
                   from imports where state <> 'finished'",
            )
            .await;
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "timed out waiting for imports to end: {left:#?}{}", stack.logs());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Checks the imports of a tenant against what it sent, and returns their number.
async fn verify(stack: &Stack, tenant: &Tenant, sent: &[Sent]) -> usize {
    let by_digest: HashMap<String, &Sent> =
        sent.iter().map(|sent| (hex(&Sha256::digest(sent.file.as_bytes())), sent)).collect();
    let query = format!(
        "select id, encode(upload_sha256, 'hex') as digest from imports where tenant_id = '{}' order by queue_position",
        tenant.id
    );
    let imports = stack.rows(&query).await;
    let mut files = Vec::new();
    let mut accepted: HashMap<&str, &str> = HashMap::new();
    for import in &imports {
        let (id, digest) =
            (import["id"].as_str().expect("an id"), import["digest"].as_str().expect("a digest"));
        let sent = by_digest.get(digest).expect("every import is of a file that was sent");
        files.push(sent.file.as_str());
        assert_eq!(accepted.insert(digest, id), None, "each file is one import");
    }
    for (digest, sent) in &by_digest {
        if let Some(id) = &sent.accepted {
            let known = accepted.get(digest.as_str());
            assert_eq!(
                known,
                Some(&id.as_str()),
                "the id that {} received is that of its import",
                tenant.name
            );
        }
    }
    assert_matches_oracle(stack, tenant, &files).await;
    files.len()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
