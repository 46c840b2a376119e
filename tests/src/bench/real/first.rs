//! A school's first file in its own order: what Postgres believes about its tables must not matter.

use crate::bench::comparison::Comparison;
use crate::bench::files::RosterFile;
use crate::bench::fixture::Fixture;
use crate::bench::measured::Measured;
use crate::bench::report::{Bound, Line};
use crate::bench::service::import;
use crate::harness::Stack;
use crate::oracle::Endpoint;
use crate::rosters::real::Order;

use super::{Neighbour, in_order};

/// The database that the first file finds.
#[derive(Debug, Clone, Copy)]
pub enum Database {
    /// Empty: Postgres knows nothing of its tables.
    Empty,
    /// With another tenant's users, which Postgres knows: so it takes each tenant for theirs.
    Beside,
    /// Empty, and analysed when the administrator was the only user.
    Misjudged,
}

impl Database {
    /// Prepares a stack's tables, and has nothing analyse them during the measurement.
    async fn prepare(self, stack: &Stack, neighbour: &Neighbour) -> Measured<()> {
        stack.execute("alter table users set (autovacuum_enabled = off)").await;
        match self {
            Self::Empty => {}
            Self::Beside => {
                neighbour.import(stack).await?;
                stack.execute("analyze users").await;
            }
            Self::Misjudged => stack.execute("analyze users").await,
        }
        Ok(())
    }
}

/// A first file of this many rows in random order, against the same rows sorted by username.
pub async fn run(fixture: &Fixture, rows: u64, lines: &[(&'static str, Database)]) -> Measured<Vec<Line>> {
    let neighbour = Neighbour::of(&fixture.files, fixture.sizes.first[1]);
    let sorted = fixture.files.real(&in_order(rows, Order::Username));
    let random = fixture.files.real(&in_order(rows, Order::Random));
    let mut measured = Vec::new();
    for (name, database) in lines {
        let mut comparison = Comparison::new(name, "s");
        for _ in 0..fixture.sizes.rounds {
            comparison
                .round(
                    async || import_first(*database, &random, &neighbour).await,
                    async || import_first(*database, &sorted, &neighbour).await,
                )
                .await?;
        }
        measured.push(comparison.line(Some(Bound::AtMost(1.5))));
    }
    Ok(measured)
}

/// Imports the file as the first of its tenant. Returns the seconds of that alone.
async fn import_first(database: Database, file: &RosterFile, neighbour: &Neighbour) -> Measured<f64> {
    let stack = Stack::new().await;
    database.prepare(&stack, neighbour).await?;
    import(&stack, Endpoint::Users, &file.path, &file.expected).await
}
