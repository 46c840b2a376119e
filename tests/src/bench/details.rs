//! Reading the full `details` of a large import after it has finished.

use std::time::Instant;

use super::comparison::median;
use super::conditions::settle;
use super::fixture::Fixture;
use super::measured::Measured;
use super::report::{Bound, Line};
use super::service::{check, import};
use crate::harness::{ADMINISTRATOR, PASSWORD, Stack, curl, result};
use crate::oracle::Endpoint;
use crate::rosters::large::{RosterOptions, Share};

/// The limit on reading a million details, in seconds.
const LIMIT_SECONDS: f64 = 3.0;

/// A GET of a finished import with one bad row, so that `details` lists every row.
pub async fn run(fixture: &Fixture) -> Measured<Vec<Line>> {
    let rows = fixture.sizes.large;
    let options = RosterOptions { bad: Share::At(rows / 2), ..RosterOptions::default() };
    let file = fixture.files.users("bad", rows, &options);
    let outcomes: Vec<_> = (0..rows).map(|index| options.outcome(index)).collect();
    let expected = result(&outcomes);

    let stack = Stack::new().await;
    import(&stack, Endpoint::Users, &file, &expected).await?;
    let jobs = stack.get("/api/import/jobs").await.json();
    let id = jobs["jobs"][0]["id"].as_str().expect("the import is listed").to_owned();
    settle().await;
    let mut seconds = Vec::new();
    for _ in 0..fixture.sizes.rounds {
        let started = Instant::now();
        let answer = curl([
            "--user".to_owned(),
            format!("{ADMINISTRATOR}:{PASSWORD}"),
            format!("{}/api/import/jobs/{id}", stack.url),
        ])
        .await;
        seconds.push(started.elapsed().as_secs_f64());
        check(&stack, &answer, &expected)?;
    }
    eprintln!("details_1m: {seconds:.3?} s");
    Ok(vec![Line {
        name: "details_1m".to_owned(),
        ours: median(&seconds),
        reference: LIMIT_SECONDS,
        unit: "s",
        bound: Some(Bound::AtMost(1.0)),
    }])
}
