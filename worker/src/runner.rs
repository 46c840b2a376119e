//! Claims an import, processes it, and does what follows from the outcome.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rollcall_schema::imports::lease::{self, ClaimedImport, LeaseError, Release};
use rollcall_schema::imports::model::Ending;
use rollcall_schema::imports::outbox::Outbox;
use rollcall_schema::postgres::error::DatabaseError;
use rollcall_schema::rabbitmq::messages::WakeUp;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;

use crate::attempt::{AttemptError, AttemptOutcome, Verdict};
use crate::engine::Engine;
use crate::hashing::hash_queue::HashQueue;
use crate::import::{OpenedUpload, run};
use crate::lease::{end_import, release};
use crate::retry::{retry_database, retry_until_done};
use crate::slots::Slots;

/// The delay after the first failed attempt that the file may have caused. It quadruples with each up to
/// [`MAX_RETRY_DELAY`].
const FIRST_RETRY_DELAY: Duration = Duration::from_secs(1);
/// See [`FIRST_RETRY_DELAY`].
const MAX_RETRY_DELAY: Duration = Duration::from_mins(5);

/// Claims and processes imports. Cheap to clone.
#[derive(Clone)]
pub struct Runner {
    pub engine: Engine,
    /// Wakes the next import of a tenant.
    pub outbox: Outbox,
    /// Requests hashing of the passwords that imports have sealed.
    pub hash_queue: HashQueue,
    /// How many imports may be processed at the same time.
    pub slots: Slots,
    /// The holder of the leases: this process.
    pub holder: Arc<str>,
    /// The length of a lease.
    pub lease: Duration,
    /// Charged attempts after which an import is abandoned.
    pub max_attempts: i32,
}

impl Runner {
    /// Claims an import. If the database keeps failing the import is left to the relay.
    pub async fn claim(&self, wake_up: &WakeUp, stop: &CancellationToken) -> Option<ClaimedImport> {
        match retry_database(stop, || self.try_claim(wake_up)).await {
            Ok(claimed) => claimed,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(import = %wake_up.import, error, "claiming an import failed; the relay will wake it again");
                None
            }
        }
    }

    async fn try_claim(&self, wake_up: &WakeUp) -> Result<Option<ClaimedImport>, DatabaseError> {
        let session = self.engine.database.session_for(wake_up.tenant).await?;
        Ok(lease::claim(&session, wake_up.tenant, wake_up.import, &self.holder, self.lease).await?)
    }

    /// Opens the upload of an import while it is being claimed. `None` if that fails: the attempt opens it again, and says why
    /// it cannot.
    pub async fn open_upload(&self, wake_up: &WakeUp) -> Option<OpenedUpload> {
        let upload = self.engine.uploads.open(wake_up.tenant, wake_up.import).await.ok()?;
        Some(Box::new(upload))
    }

    /// Processes a claimed import and does what follows from the outcome. If that fails, another worker claims the import
    /// when the lease has expired.
    pub async fn process(
        &self,
        claimed: &ClaimedImport,
        upload: Option<OpenedUpload>,
        stop: &CancellationToken,
    ) {
        let lease = &claimed.lease;
        if claimed.failures >= self.max_attempts {
            let why = format!(
                "The import was given up after {} that failed, the last of them because its worker died or stopped \
                 responding. Rows processed before remain in effect; the operator finds details in the workers' logs, \
                 under the id {}.",
                attempts(claimed.failures),
                lease.import
            );
            self.abandon(claimed, why, stop).await;
            return;
        }
        let sealed_passwords = Arc::new(AtomicU64::new(0));
        // A task of its own: an import that panics fails only its own attempt.
        let attempt =
            run(self.engine.clone(), claimed.clone(), upload, Arc::clone(&sealed_passwords), stop.clone());
        let outcome = AbortOnDropHandle::new(tokio::spawn(attempt.in_current_span())).await;
        match outcome.unwrap_or_else(|panicked| Err(panicked.into())) {
            Ok(AttemptOutcome::Finished) => {
                tracing::info!(tenant = %lease.tenant, import = %lease.import, "import finished");
                self.wake_next(claimed).await;
            }
            Ok(AttemptOutcome::Interrupted) => self.release(claimed, Release::HandedOver, stop).await,
            Err(AttemptError::LeaseLost) => {
                tracing::warn!(
                    tenant = %lease.tenant, import = %lease.import,
                    "lease lost: it could not be renewed, another worker has claimed the import, or it has ended"
                );
            }
            Err(error) => self.handle_failure(claimed, &error, stop).await,
        }
        // However the attempt ended, and only after the tenant's next import was woken: a client waits for that one.
        self.request_hashing(claimed, sealed_passwords.load(Ordering::Relaxed)).await;
    }

    async fn handle_failure(&self, claimed: &ClaimedImport, error: &AttemptError, stop: &CancellationToken) {
        let lease = &claimed.lease;
        tracing::Span::current().record("otel.status_code", "ERROR");
        let verdict = error.verdict();
        if let Verdict::Waiting(reason) = &verdict {
            tracing::warn!(
                tenant = %lease.tenant, import = %lease.import, waiting = reason,
                error = error as &dyn std::error::Error, "an attempt at an import failed, through no fault of its file"
            );
            self.release(claimed, Release::Waiting { reason }, stop).await;
            return;
        }
        let before = self.previous_failures(claimed, stop).await;
        let failures = before + 1;
        tracing::error!(
            tenant = %lease.tenant, import = %lease.import, failures,
            error = error as &dyn std::error::Error, "an attempt at an import failed"
        );
        if failures >= self.max_attempts || verdict == Verdict::Final {
            let why = format!(
                "The import was given up after {}: {error}. Rows processed before remain in effect; the operator finds \
                 details in the workers' logs, under the id {}.",
                attempts(failures),
                lease.import
            );
            self.abandon(claimed, why, stop).await;
        } else {
            self.release(claimed, Release::Failed { delay: retry_delay(before) }, stop).await;
        }
    }

    /// Charged attempts before this one: those that the claim found, unless a chunk has been merged since.
    async fn previous_failures(&self, claimed: &ClaimedImport, stop: &CancellationToken) -> i32 {
        let is_charged = retry_until_done(stop, async || -> Result<bool, DatabaseError> {
            let session = self.engine.database.session_for(claimed.lease.tenant).await?;
            Ok(lease::is_charged(&session, &claimed.lease).await?)
        });
        if is_charged.await.unwrap_or(false) { claimed.failures } else { 0 }
    }

    async fn abandon(&self, claimed: &ClaimedImport, why: String, stop: &CancellationToken) {
        let ending = Ending::Abandoned(why);
        let ended = retry_until_done(stop, || end_import(&self.engine.database, &claimed.lease, &ending));
        match ended.await {
            // The import's dead letter is due as well, but nothing waits for it: it is left to the relay.
            Ok(()) => self.wake_next(claimed).await,
            Err(LeaseError::Lost) => {}
            Err(LeaseError::Database(error)) => {
                let (import, error) = (claimed.lease.import, &error as &dyn std::error::Error);
                tracing::warn!(%import, error, "abandoning an import failed; its lease will expire");
            }
        }
    }

    /// Releases an import. Retried until the database is back: a failing database is the most frequent reason for a failed
    /// attempt, and once it is back the import need not wait for the end of the lease.
    async fn release(&self, claimed: &ClaimedImport, how: Release<'_>, stop: &CancellationToken) {
        let released = retry_until_done(stop, || release(&self.engine.database, &claimed.lease, how));
        if let Err(LeaseError::Database(error)) = released.await {
            let (import, error) = (claimed.lease.import, &error as &dyn std::error::Error);
            tracing::warn!(%import, error, "releasing an import failed; its lease will expire");
        }
    }

    async fn wake_next(&self, claimed: &ClaimedImport) {
        if let Err(error) = self.outbox.wake_next(claimed.lease.tenant).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "waking the tenant's next import failed; the relay will wake it"
            );
        }
    }

    async fn request_hashing(&self, claimed: &ClaimedImport, passwords: u64) {
        if let Err(error) = self.hash_queue.publish(claimed.lease.tenant, passwords).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "publishing hash batch requests failed; the relay will publish them"
            );
        }
    }
}

fn attempts(count: i32) -> String {
    if count == 1 { "1 attempt".to_owned() } else { format!("{count} attempts") }
}

/// The delay before the next attempt, after this many failures before the one at hand.
fn retry_delay(failures: i32) -> Duration {
    let quadruplings = u32::try_from(failures).unwrap_or(0).min(8);
    FIRST_RETRY_DELAY.saturating_mul(4_u32.pow(quadruplings)).min(MAX_RETRY_DELAY)
}
