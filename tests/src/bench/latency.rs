//! Small rosters: how long one takes, alone and beside a large one.

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

/// A hundred users that were not there before, posted one roster after another; in turn with the bare transaction of
/// the same merge on a warm connection.
///
/// Of one post Postgres takes about half (`log_min_duration_statement`), and of that a good third is planning: a plan is
/// made for each statement anew, because one that was made while a table was small, and kept, costs far more.
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
        line("small_sync_p50", p50, percentile(&bare, 50), 3.0),
        line("small_sync_p99", percentile(&ours, 99), p50, 3.0),
    ])
}

/// Large rosters imported at most, each the first of its tenant, until a neighbour was answered beside one.
const DISTRICTS: u32 = 20;

/// Small rosters of a tenant, one after another as long as another tenant's large one is imported, against those of
/// [`small_sync`]. In the run's report, or a few posted for the purpose.
pub async fn neighbour(fixture: &Fixture, report: &Report) -> Measured<Vec<Line>> {
    let large = fixture.files.users("users", fixture.sizes.large, &RosterOptions::default());
    let reference = match report.ours("small_sync_p50") {
        Some(p50) => p50,
        None => alone(fixture).await?,
    };

    let stack = Stack::new().await;
    let neighbour = stack.add_tenant("neighbour").await;
    let mut numbers = 0..;
    // Its first login is verified at length, and remembered.
    post(&stack, &neighbour, numbers.next().unwrap_or_default()).await?;
    settle().await;
    let mut seconds = Vec::new();
    for number in 0..DISTRICTS {
        let district = stack.add_tenant(&format!("district-{number}")).await;
        seconds.extend(beside(fixture, &stack, (&district, &large), (&neighbour, &mut numbers)).await?);
        // A million rows are enough of a time; a few thousand may be over before a post is.
        if !seconds.is_empty() {
            break;
        }
    }
    if seconds.is_empty() {
        return Err(Failure("no neighbour had an answer while an import ran".to_owned()));
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

/// The seconds of a neighbour's posts that were answered while a district's roster was merged.
async fn beside(
    fixture: &Fixture,
    stack: &Stack,
    (district, large): (&Tenant, &Path),
    (neighbour, numbers): (&Tenant, &mut RangeFrom<u64>),
) -> Measured<Vec<f64>> {
    let expected = all(fixture.sizes.large, Row::Created);
    let under_way = Cell::new(true);
    let import = async {
        let imported = import_as(stack, district, Endpoint::Users, large, &expected).await;
        under_way.set(false);
        imported
    };
    let posts = async {
        merging(stack, district, &under_way).await;
        let mut seconds = Vec::new();
        for number in numbers {
            let taken = post(stack, neighbour, number).await?;
            // One that the import did not outlast was alone for a while.
            if !under_way.get() {
                break;
            }
            seconds.push(taken);
        }
        Ok(seconds)
    };
    let (imported, seconds) = tokio::join!(import, posts);
    imported?;
    seconds
}

/// The p50 of small rosters that nobody is beside.
async fn alone(fixture: &Fixture) -> Measured<f64> {
    let stack = Stack::new().await;
    settle().await;
    let mut seconds = Vec::new();
    for number in 0..fixture.sizes.posts.div_ceil(4) {
        seconds.push(post(&stack, stack.school(), number).await?);
    }
    Ok(percentile(&seconds, 50))
}

/// Waits until the large import has merged its first rows, or is over.
async fn merging(stack: &Stack, district: &Tenant, under_way: &Cell<bool>) {
    let school = district.id;
    // The administrator is a user too.
    let merged = format!("select exists (select from users where tenant_id = '{school}' offset 1) as merged");
    while under_way.get() && stack.row(&merged).await["merged"] != true {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Posts the small roster of this number, all of whose users are new, on the stack's kept connection.
async fn post(stack: &Stack, tenant: &Tenant, number: u64) -> Measured<f64> {
    let file = roster(number);
    let begun = Instant::now();
    let answer = stack.post_users_of(tenant, file).await;
    let seconds = begun.elapsed().as_secs_f64();
    if (answer.status, answer.text()) == (200, &all(ROWS, Row::Created)) {
        return Ok(seconds);
    }
    Err(Failure(format!("wrong answer: status {}, {}{}", answer.status, answer.text(), stack.logs())))
}

fn roster(number: u64) -> Vec<u8> {
    let options =
        RosterOptions { prefix: "small".to_owned(), first: number * ROWS, ..RosterOptions::default() };
    let mut file = Vec::new();
    write_roster(&mut file, ROWS, &options).expect("memory can be written to");
    file
}

/// The transaction that has to happen in any case, with everything ready that can be beforehand: the connection, the
/// temporary table, the statements' plans.
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
            .expect("a temporary table can be made");
        let copy = client
            .prepare("copy roster from stdin with (format csv, header)")
            .await
            .expect("the statement is good");
        let upsert = client.prepare(&upsert()).await.expect("the statement is good");
        Self { client, copy, upsert }
    }

    async fn run(&self, file: Vec<u8>) -> Measured<f64> {
        let begun = Instant::now();
        let merged =
            self.merge(file).await.map_err(|error| Failure(format!("the bare merge failed: {error}")))?;
        let seconds = begun.elapsed().as_secs_f64();
        if merged == ROWS { Ok(seconds) } else { Err(Failure(format!("the bare merge took {merged} rows"))) }
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
