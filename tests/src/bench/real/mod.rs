//! Rosters in the shape in which districts send them, in tables as the day left them: beside another district's users, and
//! vacuumed, analysed and checkpointed by the server alone.

pub mod first;
pub mod memberships;
pub mod nights;
pub mod passwords;
pub mod ten_million;

use super::files::{Files, RosterFile};
use super::measured::Measured;
use super::reference::Reference;
use super::service::import_as;
use crate::harness::{Stack, Tenant};
use crate::oracle::Endpoint;
use crate::rosters::real::{Order, RealRoster};

/// A district beside the one that is measured.
struct Neighbour {
    roster: RosterFile,
}

impl Neighbour {
    fn of(files: &Files, users: u64) -> Self {
        Self { roster: files.real(&RealRoster { district: 2, ..RealRoster::first(users) }) }
    }

    /// Imports the district's users. Returns its tenant, and the seconds that it took.
    async fn import(&self, stack: &Stack) -> Measured<(Tenant, f64)> {
        let tenant = stack.add_tenant("neighbour").await;
        let seconds =
            import_as(stack, &tenant, Endpoint::Users, &self.roster.path, &self.roster.expected).await?;
        Ok((tenant, seconds))
    }

    async fn upsert(&self, reference: &Reference) -> Measured<()> {
        reference.upsert_neighbour(&self.roster).await.map(|_| ())
    }
}

fn in_order(users: u64, order: Order) -> RealRoster {
    RealRoster { order, ..RealRoster::first(users) }
}
