//! What keeping tenants apart in Postgres costs: the service as its own role, for which row-level security holds, against
//! the service as the owner of the tables, for whom it does not.
//!
//! Both copy new users through `new_users`. Its routing costs nothing that can be measured, as the tenant is no longer part of
//! the copied rows.

use std::time::Instant;

use super::comparison::{Comparison, percentile};
use super::conditions::settle;
use super::fixture::Fixture;
use super::latency::post;
use super::measured::Measured;
use super::report::{Bound, Line};
use super::service::{all, import};
use crate::harness::{Options, Row, Stack};
use crate::oracle::Endpoint;
use crate::rosters::large::RosterOptions;

/// What the two roles and the policies may cost.
const BOUND: Bound = Bound::AtMost(1.03);

pub async fn run(fixture: &Fixture) -> Measured<Vec<Line>> {
    Ok(vec![create(fixture).await?, small_sync(fixture).await?])
}

async fn without_row_level_security() -> Stack {
    Options::default().as_owner().start().await
}

async fn create(fixture: &Fixture) -> Measured<Line> {
    let rows = fixture.sizes.large;
    let roster = fixture.files.users("users", rows, &RosterOptions::default());
    let expected = all(rows, Row::Created);
    let mut comparison = Comparison::new("isolation_create_1m", "s");
    for _ in 0..2 * fixture.sizes.rounds {
        comparison
            .round(
                async || import(&Stack::new().await, Endpoint::Users, &roster, &expected).await,
                async || {
                    let stack = without_row_level_security().await;
                    import(&stack, Endpoint::Users, &roster, &expected).await
                },
            )
            .await?;
    }
    Ok(comparison.line(Some(BOUND)))
}

/// The posts of the two sides alternate, and so does which of them is first.
async fn small_sync(fixture: &Fixture) -> Measured<Line> {
    let (service, owner) = (Stack::new().await, without_row_level_security().await);
    settle().await;
    let began = Instant::now();
    let (mut ours, mut reference) = (Vec::new(), Vec::new());
    for number in 0..2 * fixture.sizes.posts {
        let mut sides = [(&service, &mut ours), (&owner, &mut reference)];
        if !number.is_multiple_of(2) {
            sides.reverse();
        }
        for (stack, seconds) in sides {
            seconds.push(post(stack, stack.school(), number).await?);
        }
    }
    eprintln!(
        "isolation_small_sync: {} posts in {:.1} s",
        ours.len() + reference.len(),
        began.elapsed().as_secs_f64()
    );
    Ok(Line {
        name: "isolation_small_p50".to_owned(),
        ours: percentile(&ours, 50),
        reference: percentile(&reference, 50),
        unit: "s",
        bound: Some(BOUND),
    })
}
