//! The janitor: deletes what is no longer needed. That is uploads of imports that finished a while ago; what is left of
//! uploads that were interrupted because the API died, or that never became an import; expired idempotency keys; and
//! presentation groups that no user is in. Ages are those of the database's clock and of the upload store's, never of the
//! worker's own.
//!
//! Every worker runs one. Several at once do no harm: each thing is deleted once, and what cannot be deleted now is found
//! again in the next sweep.

use std::error::Error;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use rollcall_schema::crash_point::{self, CrashPoint};
use rollcall_schema::imports::idempotency;
use rollcall_schema::imports::retention;
use rollcall_schema::imports::workers;
use rollcall_schema::postgres::error::DatabaseError;
use rollcall_schema::postgres::pool::Database;
use rollcall_schema::tenants::presentation_groups;
use rollcall_schema::uploads::{UploadError, UploadStore};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// Uploads that are checked or expired with one statement.
const BATCH: usize = 200;

/// Tenants whose presentation groups are searched in one sweep. The others are due in the next.
const TENANTS_PER_SWEEP: i64 = 100;

/// Deletes what is no longer needed.
pub struct Janitor {
    pub database: Database,
    pub uploads: UploadStore,
    /// How long the upload of a finished import is kept.
    pub retention: Duration,
    /// The age at which an upload that is not complete, or that belongs to no import, is treated as a leftover.
    pub incomplete_after: Duration,
}

/// Why something was not deleted. The next sweep finds it again.
#[derive(Debug, thiserror::Error)]
enum CleanupError {
    #[error("the database failed")]
    Database(#[from] DatabaseError),
    #[error("the upload store failed")]
    Store(#[from] UploadError),
}

impl From<tokio_postgres::Error> for CleanupError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error.into())
    }
}

impl Janitor {
    /// Sweeps at this interval until `stop`.
    pub async fn run(self, every: Duration, stop: CancellationToken) {
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            stop.run_until_cancelled(self.sweep()).await;
        }
    }

    /// The steps are independent: what cannot be deleted must not keep the rest.
    async fn sweep(&self) {
        log_deleted("uploads of finished imports", self.delete_expired_uploads().await);
        log_deleted("incomplete uploads", self.delete_incomplete_uploads().await);
        log_deleted("uploads that belong to no import", self.delete_orphaned_uploads().await);
        log_deleted("expired idempotency keys", self.delete_expired_keys().await);
        log_deleted("unused presentation groups", self.delete_unused_groups().await);
        log_deleted("workers that ended a month ago", self.forget_workers().await);
    }

    async fn delete_expired_uploads(&self) -> Result<usize, CleanupError> {
        let limit = i64::try_from(BATCH).unwrap_or(i64::MAX);
        let mut deleted = 0;
        loop {
            let batch = {
                let session = self.database.session_for_all().await?;
                retention::expire_uploads(&session, self.retention, limit).await?
            };
            for (tenant, import) in &batch {
                self.uploads.delete(*tenant, *import).await?;
                crash_point::reached_for(*tenant, CrashPoint::AfterUploadDelete);
            }
            deleted += batch.len();
            if batch.len() < BATCH {
                return Ok(deleted);
            }
        }
    }

    /// Uploads whose API died while it received them.
    async fn delete_incomplete_uploads(&self) -> Result<usize, CleanupError> {
        Ok(self.uploads.delete_incomplete(self.incomplete_after).await?)
    }

    /// Uploads whose API died, or lost the database, before it submitted the import; and those that had expired but were
    /// not deleted.
    async fn delete_orphaned_uploads(&self) -> Result<usize, CleanupError> {
        let mut deleted = 0;
        let mut batches =
            std::pin::pin!(self.uploads.older_than(self.incomplete_after).await?.try_chunks(BATCH));
        while let Some(batch) = batches.try_next().await.map_err(|failed| failed.1)? {
            let orphaned = {
                let session = self.database.session_for_all().await?;
                retention::orphaned(&session, &batch).await?
            };
            for (tenant, import) in &orphaned {
                self.uploads.delete(*tenant, *import).await?;
            }
            deleted += orphaned.len();
        }
        Ok(deleted)
    }

    async fn delete_unused_groups(&self) -> Result<usize, CleanupError> {
        let due = {
            let session = self.database.session_for_all().await?;
            presentation_groups::tenants_to_sweep(&session, TENANTS_PER_SWEEP).await?
        };
        let mut deleted = 0;
        for tenant in due {
            loop {
                let swept =
                    presentation_groups::sweep(self.database.transaction_for(tenant).await?, tenant).await?;
                deleted += usize::try_from(swept.deleted).unwrap_or(usize::MAX);
                if !swept.is_partial {
                    break;
                }
            }
        }
        Ok(deleted)
    }

    async fn delete_expired_keys(&self) -> Result<usize, CleanupError> {
        let session = self.database.session_for_all().await?;
        let deleted = idempotency::forget_expired(&session).await?;
        Ok(usize::try_from(deleted).unwrap_or(usize::MAX))
    }

    async fn forget_workers(&self) -> Result<usize, CleanupError> {
        let session = self.database.session_for_all().await?;
        Ok(usize::try_from(workers::forget_silent(&session).await?).unwrap_or(usize::MAX))
    }
}

fn log_deleted(what: &str, deleted: Result<usize, CleanupError>) {
    match deleted {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, "deleted {what}"),
        Err(error) => {
            let error = &error as &(dyn Error + 'static);
            tracing::warn!(error, "deleting {what} failed; retrying in the next sweep");
        }
    }
}
