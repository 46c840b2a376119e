//! Many tenants posting at the same time.

use std::time::Instant;

use futures_util::future::join_all;

use super::comparison::median;
use super::conditions::settle;
use super::fixture::Fixture;
use super::measured::{Failure, Measured};
use super::real::nights::create_seconds;
use super::report::{Bound, Line, Report};
use super::service::all;
use super::units::per_second;
use crate::harness::{Answer, Row, Stack, Tenant};
use crate::oracle::Endpoint;
use crate::rosters::large::{RosterOptions, write_roster};

/// Rows of each tenant's roster.
const ROWS: u64 = 500;

/// All tenants post a roster of new users at once and wait for the result. The reference is the rows per second of a
/// district's first roster.
pub async fn run(fixture: &Fixture, report: &Report) -> Measured<Vec<Line>> {
    let count = fixture.sizes.tenants;
    let expected = all(ROWS, Row::Created);
    let mut roster = Vec::new();
    write_roster(&mut roster, ROWS, &RosterOptions::default()).expect("writing to memory cannot fail");

    let mut rates = Vec::new();
    for round in 1..=fixture.sizes.rounds {
        let stack = Stack::new().await;
        let mut tenants = Vec::new();
        for number in 0..count {
            tenants.push(stack.add_tenant(&format!("school-{number}")).await);
        }
        // Log every administrator in beforehand: verifying hundreds of new passwords is a cost of login, not of import.
        for tenant in &tenants {
            let path = format!("/api/import/jobs?tenantId={}", tenant.name);
            let answer = stack.get(&path).await;
            if answer.status != 200 {
                return Err(Failure(format!("{path}: {}", describe(&answer))));
            }
        }
        settle().await;
        let started = Instant::now();
        let posts = tenants.iter().map(|tenant| post(&stack, tenant, &roster, &expected));
        let failures: Vec<Failure> = join_all(posts).await.into_iter().filter_map(Result::err).collect();
        let rate = per_second(count * ROWS, started.elapsed().as_secs_f64());
        if let Some(first) = failures.first() {
            let (failed, first) = (failures.len(), &first.0);
            let logs = stack.logs();
            return Err(Failure(format!("{failed} of {count} posts failed; the first: {first}{logs}")));
        }
        eprintln!("schools_500, round {round}: {rate:.0} rows/s");
        rates.push(rate);
    }
    let reference = match report.ours("real_create_1m") {
        Some(seconds) => seconds,
        None => create_seconds(fixture).await?,
    };
    Ok(vec![Line {
        name: "schools_500".to_owned(),
        ours: median(&rates),
        reference: per_second(fixture.sizes.large, reference),
        unit: "rows/s",
        bound: Some(Bound::AtLeast(0.5)),
    }])
}

async fn post(stack: &Stack, tenant: &Tenant, roster: &[u8], expected: &str) -> Result<(), Failure> {
    let path = format!("{}?tenantId={}", Endpoint::Users.path(), tenant.name);
    let response =
        stack.upload(&path, roster).send().await.map_err(|error| Failure(format!("no answer: {error:?}")))?;
    let answer = Answer::read(response).await;
    if (answer.status, answer.text().trim_start_matches(' ')) == (200, expected) {
        return Ok(());
    }
    Err(Failure(describe(&answer)))
}

fn describe(answer: &Answer) -> String {
    format!("status {}, {}", answer.status, answer.text())
}
