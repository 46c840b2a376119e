//! Publishes hash batch requests: when an import has ended and not with its chunks, so that hashing does not compete with
//! the import that seals the passwords. The relay publishes them again when a tenant's passwords stay unhashed.

use std::sync::Arc;
use std::time::Duration;

use rollcall_schema::crash_point::{self, CrashPoint};
use rollcall_schema::ids::TenantId;
use rollcall_schema::imports::outbox::PublishError;
use rollcall_schema::passwords::queue;
use rollcall_schema::postgres::pool::Database;
use rollcall_schema::rabbitmq::connection::Broker;
use rollcall_schema::rabbitmq::messages::HashBatchRequest;
use rollcall_schema::telemetry::TraceContext;

/// Passwords for each request that an import publishes: some minutes of work for one core.
const PASSWORDS_PER_REQUEST: u64 = 2000;
/// Requests that one import publishes at most: enough to keep eight workers busy.
const MAX_REQUESTS: u64 = 16;
/// Tenants for which the relay publishes in one sweep. The others are due in the next.
const MAX_TENANTS_PER_SWEEP: i64 = 100;

/// The way into the hashing queue.
#[derive(Clone)]
pub struct HashQueue {
    database: Database,
    broker: Arc<Broker>,
}

impl HashQueue {
    pub fn new(database: Database, broker: Arc<Broker>) -> Self {
        Self { database, broker }
    }

    /// Publishes requests for a tenant whose import has sealed this many passwords: several, so that workers can share the
    /// work; none if there are no passwords. The relay publishes later what fails now.
    pub async fn publish(&self, tenant: TenantId, passwords: u64) -> Result<(), PublishError> {
        if passwords == 0 {
            return Ok(());
        }
        {
            let session = self.database.session_for(tenant).await?;
            crash_point::reached_for(tenant, CrashPoint::BeforePassCommit);
            queue::begin_pass(&session, tenant).await?;
            crash_point::reached_for(tenant, CrashPoint::AfterPassCommit);
        }
        let request = HashBatchRequest { tenant, trace: TraceContext::current() };
        for _ in 0..passwords.div_ceil(PASSWORDS_PER_REQUEST).min(MAX_REQUESTS) {
            self.send(&request).await?;
        }
        Ok(())
    }

    /// Publishes a request for each tenant that has waiting passwords and whose hashing has made no progress for
    /// `republish_after`.
    pub async fn publish_due(&self, republish_after: Duration) -> Result<(), PublishError> {
        let due = {
            let session = self.database.session_for_all().await?;
            queue::claim_due_requests(&session, republish_after, MAX_TENANTS_PER_SWEEP).await?
        };
        let mut sent = Ok(());
        for tenant in due {
            let request = HashBatchRequest { tenant, trace: TraceContext::default() };
            // Continues after a failure: each tenant that was claimed must be sent or marked as unpublished.
            sent = self.send(&request).await.and(sent);
        }
        sent
    }

    async fn send(&self, request: &HashBatchRequest) -> Result<(), PublishError> {
        let sent = self.broker.publish_hash_batch_request(request).await;
        if sent.is_err() {
            let session = self.database.session_for(request.tenant).await?;
            queue::mark_unpublished(&session, request.tenant).await?;
        }
        Ok(sent?)
    }
}
