//! The janitor: removes what nobody needs any more. Uploads whose import finished a while ago; what is left of uploads
//! that broke off because their API died, or that never became an import; idempotency keys that have expired.
//!
//! Every worker has one. Two at once do no harm: each thing is deleted once, and what is not deleted now is still there
//! at the next look.

use std::error::Error;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use rollcall_schema::database::{Database, DatabaseError};
use rollcall_schema::import::idempotency;
use rollcall_schema::import::retention::{self, RetentionError};
use rollcall_schema::upload::UploadStore;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// Uploads that are looked at or deleted with one statement.
const BATCH: usize = 200;

/// Removes what nobody needs any more.
pub struct Janitor {
    /// The way to Postgres.
    pub database: Database,
    /// Where the uploads are.
    pub uploads: UploadStore,
    /// How long the upload of a finished import is kept.
    pub retention: Duration,
    /// After how long an upload that is not complete, or belongs to no import, is taken for left behind.
    pub abandoned_after: Duration,
}

impl Janitor {
    /// Looks again and again until `stop`.
    pub async fn run(self, every: Duration, stop: CancellationToken) {
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            // Begun again at the next look where it is left off.
            let cleaned = stop.run_until_cancelled(self.clean_up()).await;
            if let Some(Err(error)) = cleaned {
                let error = &error as &(dyn Error + 'static);
                tracing::warn!(
                    error,
                    "not everything that nobody needs could be removed; trying again later"
                );
            }
        }
    }

    async fn clean_up(&self) -> Result<(), RetentionError> {
        self.delete_finished().await?;
        let half = self.uploads.delete_half(self.abandoned_after).await?;
        let ownerless = self.delete_ownerless().await?;
        if half + ownerless > 0 {
            tracing::info!(half, ownerless, "uploads that never became an import were removed");
        }
        let mut conn = self.database.connection().await?;
        idempotency::forget_expired(&mut conn).await?;
        Ok(())
    }

    async fn delete_finished(&self) -> Result<(), RetentionError> {
        let limit = i64::try_from(BATCH).unwrap_or(i64::MAX);
        let mut deleted = 0;
        loop {
            let mut conn = self.database.connection().await?;
            let batch = retention::delete_finished(&mut conn, &self.uploads, self.retention, limit).await?;
            deleted += batch;
            if batch < BATCH {
                break;
            }
        }
        if deleted > 0 {
            tracing::info!(uploads = deleted, "uploads of imports that finished a while ago were deleted");
        }
        Ok(())
    }

    /// Deletes complete uploads that no import belongs to: their API died, or lost the database, before it put them into
    /// line. Returns how many.
    async fn delete_ownerless(&self) -> Result<usize, RetentionError> {
        let mut deleted = 0;
        let mut batches = std::pin::pin!(self.uploads.older_than(self.abandoned_after).try_chunks(BATCH));
        loop {
            let batch = match batches.try_next().await {
                Ok(Some(batch)) => batch,
                Ok(None) => return Ok(deleted),
                Err(error) => return Err(error.1.into()),
            };
            let known = {
                let mut conn = self.database.connection().await?;
                retention::known(&mut conn, &batch).await.map_err(DatabaseError::from)?
            };
            for upload in batch.iter().filter(|upload| !known.contains(upload)) {
                self.uploads.delete(upload.0, upload.1).await?;
                deleted += 1;
            }
        }
    }
}
