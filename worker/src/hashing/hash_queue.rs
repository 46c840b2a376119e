//! Publishing hashing turns: when an import has ended, not with its chunks, so that hashing does not compete with the
//! import that seals; and again, by the relay, where nothing comes of them.

use std::sync::Arc;
use std::time::Duration;

use rollcall_schema::broker::Broker;
use rollcall_schema::database::Database;
use rollcall_schema::edge::{self, Edge};
use rollcall_schema::hashing::{self, Turn};
use rollcall_schema::ids::TenantId;
use rollcall_schema::outbox::PublishError;
use rollcall_schema::telemetry::TraceContext;

/// Passwords for which there is one turn more: some minutes' work of a core.
const PASSWORDS_PER_TURN: u64 = 2000;
/// HashQueue of one tenant at most: what keeps eight workers busy.
const MOST_TURNS: u64 = 16;
/// Tenants whose turns are published at one look. More are due at the next.
const TENANTS: i64 = 100;

/// The way into the hashing queue.
#[derive(Clone)]
pub struct HashQueue {
    database: Database,
    broker: Arc<Broker>,
}

impl HashQueue {
    /// A way from the one to the other.
    pub fn new(database: Database, broker: Arc<Broker>) -> Self {
        Self { database, broker }
    }

    /// Publishes turns for a tenant of which an import has sealed so many passwords: several, so that workers can share
    /// them; none for no password. What is not published now is due when the relay looks next.
    pub async fn publish(&self, tenant: TenantId, passwords: u64) -> Result<(), PublishError> {
        if passwords == 0 {
            return Ok(());
        }
        {
            let mut conn = self.database.connection().await?;
            edge::pass_for(tenant, Edge::BeforePassCommit);
            hashing::begin_pass(&mut conn, tenant).await?;
            edge::pass_for(tenant, Edge::AfterPassCommit);
        }
        let turn = Turn { tenant, trace: TraceContext::current() };
        for _ in 0..passwords.div_ceil(PASSWORDS_PER_TURN).min(MOST_TURNS) {
            self.send(&turn).await?;
        }
        Ok(())
    }

    /// Publishes a turn for each tenant whose passwords wait and of whose hashing nothing was heard for `patience`.
    pub async fn publish_due(&self, patience: Duration) -> Result<(), PublishError> {
        let due = {
            let mut conn = self.database.connection().await?;
            hashing::claim_due_turns(&mut conn, patience, TENANTS).await?
        };
        let mut sent = Ok(());
        for tenant in due {
            let turn = Turn { tenant, trace: TraceContext::default() };
            // Each that was claimed is sent or given back.
            sent = self.send(&turn).await.and(sent);
        }
        sent
    }

    async fn send(&self, turn: &Turn) -> Result<(), PublishError> {
        let sent = self.broker.publish_turn(turn).await;
        if sent.is_err() {
            let mut conn = self.database.connection().await?;
            hashing::record_unpublished(&mut conn, turn.tenant).await?;
        }
        Ok(sent?)
    }
}
