//! A group import that puts every user of a district into a library group, in random order.

use crate::bench::comparison::Comparison;
use crate::bench::fixture::Fixture;
use crate::bench::measured::Measured;
use crate::bench::memberships::group_names;
use crate::bench::reference::Reference;
use crate::bench::report::{Bound, Line};
use crate::bench::service::{all, import};
use crate::harness::{Row, Stack};
use crate::oracle::Endpoint;
use crate::rosters::real::{Order, RealRoster};

use super::{Neighbour, in_order};

/// Imports as many new memberships as there are users, after the users, into a table without any.
pub async fn run(fixture: &Fixture) -> Measured<Vec<Line>> {
    let users = fixture.sizes.large;
    let names = group_names();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let neighbour = Neighbour::of(&fixture.files, users);
    let roster = fixture.files.real(&RealRoster::first(users));
    let memberships = fixture.files.real_memberships(&in_order(users, Order::Random), &names);

    let mut comparison = Comparison::new("real_groups_1m", "s").unsettled();
    for _ in 0..fixture.sizes.rounds {
        let stack = Stack::new().await;
        let reference = Reference::new().await;
        neighbour.import(&stack).await?;
        neighbour.upsert(&reference).await?;
        stack.define_groups(stack.school(), &names, &[]).await;
        import(&stack, Endpoint::Users, &roster.path, &roster.expected).await?;
        reference.upsert_district(&roster).await?;
        reference.define_groups(&names).await;
        reference.remove_memberships().await;
        comparison
            .round(
                async || import(&stack, Endpoint::UserGroups, &memberships, &all(users, Row::Updated)).await,
                async || reference.insert_memberships(&memberships, users).await,
            )
            .await?;
    }
    Ok(vec![comparison.line(Some(Bound::AtMost(0.5)))])
}
