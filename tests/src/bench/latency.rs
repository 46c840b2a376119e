//! The latency of small rosters, alone and during the import of a large one.

use std::cell::Cell;
use std::ops::RangeFrom;
use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::SinkExt as _;
use tokio_postgres::{Client, Statement};

use super::comparison::percentile;
use super::conditions::settle;
use super::fixture::Fixture;
use super::measured::{Failure, Measured};
use super::reference::{ROSTER_COLUMNS, Reference, upsert};
use super::report::{Bound, Line, Report};
use super::service::{all, import_as};
use crate::harness::{Row, Stack, Tenant};
use crate::oracle::Endpoint;
use crate::rosters::large::{RosterOptions, write_roster};

/// Rows of a small roster.
const ROWS: u64 = 100;

/// Posts of a hundred new users each, one after another, alternating with the bare transaction of the same merge on a warm
/// connection.
///
/// Postgres takes more than half of a post (`log_min_duration_statement`): a quarter of that is the COPY, a fifth are commits,
/// a seventh is claiming the import.
pub async fn small_sync(fixture: &Fixture) -> Measured<Vec<Line>> {
    let stack = Stack::new().await;
    let reference = Reference::new().await;
    let merge = BareMerge::prepare(&reference).await;
    settle().await;
    let mut ours = Vec::new();
    let mut bare = Vec::new();
    for number in 0..fixture.sizes.posts {
        ours.push(post(&stack, stack.school(), number).await?);
        bare.push(merge.run(roster(number)).await?);
    }
    let p50 = percentile(&ours, 50);
    eprintln!("small_sync: {} posts, the slowest {:.3} s", ours.len(), percentile(&ours, 100));
    let line = |name: &str, ours, reference, limit| Line {
        name: name.to_owned(),
        ours,
        reference,
        unit: "s",
        bound: Some(Bound::AtMost(limit)),
    };
    Ok(vec![
        line("small_sync_p50", p50, percentile(&bare, 50), 2.2),
        line("small_sync_p99", percentile(&ours, 99), p50, 3.0),
    ])
}

/// The maximum number of large imports, each the first of its tenant and twice as large as the one before, until a neighbour's
/// post is answered during one. A million rows take long enough, a few thousand may be merged before a post is answered.
const MAX_LARGE_IMPORTS: u32 = 8;

/// Small rosters of one tenant, posted one after another during the import of another tenant's large roster. The reference
/// is the p50 of [`small_sync`]: from this run's report, or else from a few posts made here.
pub async fn neighbour(fixture: &Fixture, report: &Report) -> Measured<Vec<Line>> {
    let reference = match report.ours("small_sync_p50") {
        Some(p50) => p50,
        None => p50_alone(fixture).await?,
    };

    let stack = Stack::new().await;
    let neighbour = stack.add_tenant("neighbour").await;
    let mut numbers = 0..;
    // The first login is slow: its password is verified, and only then cached.
    post(&stack, &neighbour, numbers.next().unwrap_or_default()).await?;
    settle().await;
    let mut seconds = Vec::new();
    for number in 0..MAX_LARGE_IMPORTS {
        let district = stack.add_tenant(&format!("district-{number}")).await;
        let rows = fixture.sizes.large << number;
        let large = fixture.files.users("users", rows, &RosterOptions::default());
        seconds = posts_during_import(&stack, (&district, &large, rows), (&neighbour, &mut numbers)).await?;
        if !seconds.is_empty() {
            break;
        }
    }
    if seconds.is_empty() {
        return Err(Failure("no post of the neighbour was answered during an import".to_owned()));
    }
    eprintln!("neighbour: {} posts, the slowest {:.3} s", seconds.len(), percentile(&seconds, 100));
    Ok(vec![Line {
        name: "neighbour".to_owned(),
        ours: percentile(&seconds, 50),
        reference,
        unit: "s",
        bound: Some(Bound::AtMost(3.0)),
    }])
}

/// The seconds of the neighbour's posts that were answered while the district's roster was being merged.
async fn posts_during_import(
    stack: &Stack,
    (district, large, rows): (&Tenant, &Path, u64),
    (neighbour, numbers): (&Tenant, &mut RangeFrom<u64>),
) -> Measured<Vec<f64>> {
    let expected = all(rows, Row::Created);
    let is_running = Cell::new(true);
    let import = async {
        let imported = import_as(stack, district, Endpoint::Users, large, &expected).await;
        is_running.set(false);
        imported
    };
    let posts = async {
        wait_until_merging(stack, district, &is_running).await;
        let mut seconds = Vec::new();
        for number in numbers {
            let latency = post(stack, neighbour, number).await?;
            // The import ended before this post did, so part of the post ran alone.
            if !is_running.get() {
                break;
            }
            seconds.push(latency);
        }
        Ok(seconds)
    };
    let (imported, seconds) = tokio::join!(import, posts);
    imported?;
    seconds
}

/// The p50 of small rosters without another import.
async fn p50_alone(fixture: &Fixture) -> Measured<f64> {
    let stack = Stack::new().await;
    settle().await;
    let mut seconds = Vec::new();
    for number in 0..fixture.sizes.posts.div_ceil(4) {
        seconds.push(post(&stack, stack.school(), number).await?);
    }
    Ok(percentile(&seconds, 50))
}

/// Waits until the large import has merged its first rows or has ended.
async fn wait_until_merging(stack: &Stack, district: &Tenant, is_running: &Cell<bool>) {
    let tenant = district.id;
    // The offset skips the administrator, who is a user too.
    let merged = format!("select exists (select from users where tenant_id = '{tenant}' offset 1) as merged");
    while is_running.get() && stack.row(&merged).await["merged"] != true {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Posts the small roster of this number on the stack's persistent connection. All its users are new.
pub async fn post(stack: &Stack, tenant: &Tenant, number: u64) -> Measured<f64> {
    let file = roster(number);
    let started = Instant::now();
    let answer = stack.post_users_of(tenant, file).await;
    let seconds = started.elapsed().as_secs_f64();
    if (answer.status, answer.text()) == (200, &all(ROWS, Row::Created)) {
        return Ok(seconds);
    }
    Err(Failure(format!("wrong answer: status {}, {}{}", answer.status, answer.text(), stack.logs())))
}

fn roster(number: u64) -> Vec<u8> {
    let options =
        RosterOptions { prefix: "small".to_owned(), first: number * ROWS, ..RosterOptions::default() };
    let mut file = Vec::new();
    write_roster(&mut file, ROWS, &options).expect("writing to memory cannot fail");
    file
}

/// The transaction that any implementation needs. Everything else is prepared beforehand: the connection, the temporary
/// table and the statements.
struct BareMerge {
    client: Client,
    copy: Statement,
    upsert: Statement,
}

impl BareMerge {
    async fn prepare(reference: &Reference) -> Self {
        let client = reference.connect().await;
        client
            .batch_execute(&format!("create temporary table roster ({ROSTER_COLUMNS}) on commit delete rows"))
            .await
            .expect("a temporary table can be created");
        let copy = client
            .prepare("copy roster from stdin with (format csv, header)")
            .await
            .expect("the statement is valid");
        let upsert = client.prepare(&upsert()).await.expect("the statement is valid");
        Self { client, copy, upsert }
    }

    async fn run(&self, file: Vec<u8>) -> Measured<f64> {
        let started = Instant::now();
        let merged =
            self.merge(file).await.map_err(|error| Failure(format!("the bare merge failed: {error}")))?;
        let seconds = started.elapsed().as_secs_f64();
        if merged == ROWS {
            Ok(seconds)
        } else {
            Err(Failure(format!("the bare merge wrote {merged} rows instead of {ROWS}")))
        }
    }

    async fn merge(&self, file: Vec<u8>) -> Result<u64, tokio_postgres::Error> {
        self.client.batch_execute("begin").await?;
        let mut rows = Box::pin(self.client.copy_in(&self.copy).await?);
        rows.send(bytes::Bytes::from(file)).await?;
        rows.close().await?;
        let merged = self.client.execute(&self.upsert, &[]).await?;
        self.client.batch_execute("commit").await?;
        Ok(merged)
    }
}
