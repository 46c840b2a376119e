//! A large group import that puts every user into a library group.

use super::comparison::Comparison;
use super::fixture::Fixture;
use super::measured::Measured;
use super::reference::Reference;
use super::report::{Bound, Line};
use super::service::{all, import};
use crate::harness::{Row, Stack};
use crate::oracle::Endpoint;
use crate::rosters::large::RosterOptions;

/// Library groups, assigned to users round-robin.
const GROUPS: usize = 50;

pub fn group_names() -> Vec<String> {
    (1..=GROUPS).map(|number| format!("Library {number}")).collect()
}

/// Imports as many new memberships as there are users. Both sides create their users beforehand and keep them; the
/// memberships are removed before each round.
pub async fn run(fixture: &Fixture) -> Measured<Vec<Line>> {
    let rows = fixture.sizes.large;
    let names = group_names();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let users = fixture.files.users("users", rows, &RosterOptions::default());
    let memberships = fixture.files.memberships(rows, &names);

    let stack = Stack::new().await;
    stack.define_groups(stack.school(), &names, &[]).await;
    import(&stack, Endpoint::Users, &users, &all(rows, Row::Created)).await?;
    let reference = Reference::new().await;
    reference.upsert_users(&users, rows).await?;
    reference.define_groups(&names).await;

    let mut comparison = Comparison::new("groups_1m", "s");
    for _ in 0..fixture.sizes.rounds {
        stack.execute("truncate library_group_members").await;
        reference.remove_memberships().await;
        comparison
            .round(
                async || import(&stack, Endpoint::UserGroups, &memberships, &all(rows, Row::Updated)).await,
                async || reference.insert_memberships(&memberships, rows).await,
            )
            .await?;
    }
    Ok(vec![comparison.line(Some(Bound::AtMost(0.8)))])
}
