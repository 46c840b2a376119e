//! The janitor: removes what nobody needs any more. Uploads whose import finished a while ago; what is left of uploads
//! that broke off because their API died, or that never became an import; idempotency keys that have expired.
//!
//! Every worker has one. Two at once do no harm: each thing is deleted once, and what is not deleted now is still there
//! at the next look.

use std::error::Error;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use rollcall_schema::database::{Database, DatabaseError};
use rollcall_schema::edge::{self, Edge};
use rollcall_schema::import::{idempotency, retention};
use rollcall_schema::upload::{UploadError, UploadStore};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// Uploads that are looked at or given up with one statement.
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

/// Why something was not removed. It is at a later look.
#[derive(Debug, thiserror::Error)]
enum CleaningError {
    #[error("the database could not be asked for what nobody needs")]
    Database(#[from] DatabaseError),
    #[error("the upload store failed")]
    Store(#[from] UploadError),
}

impl From<diesel::result::Error> for CleaningError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Database(error.into())
    }
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
            stop.run_until_cancelled(self.clean_up()).await;
        }
    }

    /// Each for itself: what cannot be removed must not keep the rest.
    async fn clean_up(&self) {
        told("uploads of imports that finished a while ago", self.delete_finished().await);
        told("uploads that broke off", self.delete_half().await);
        told("uploads that no import needs", self.delete_ownerless().await);
        told("idempotency keys that have expired", self.forget_keys().await);
    }

    async fn delete_finished(&self) -> Result<usize, CleaningError> {
        let limit = i64::try_from(BATCH).unwrap_or(i64::MAX);
        let mut deleted = 0;
        loop {
            let batch = {
                let mut conn = self.database.connection().await?;
                retention::give_up(&mut conn, self.retention, limit).await?
            };
            for (tenant, import) in &batch {
                self.uploads.delete(*tenant, *import).await?;
                edge::pass_for(*tenant, Edge::AfterUploadDelete);
            }
            deleted += batch.len();
            if batch.len() < BATCH {
                return Ok(deleted);
            }
        }
    }

    /// Their API died while they came.
    async fn delete_half(&self) -> Result<usize, CleaningError> {
        Ok(self.uploads.delete_half(self.abandoned_after).await?)
    }

    /// Their API died, or lost the database, before it put them into line; or they were given up and not deleted.
    async fn delete_ownerless(&self) -> Result<usize, CleaningError> {
        let mut deleted = 0;
        let mut batches = std::pin::pin!(self.uploads.older_than(self.abandoned_after).try_chunks(BATCH));
        while let Some(batch) = batches.try_next().await.map_err(|failed| failed.1)? {
            let ownerless = {
                let mut conn = self.database.connection().await?;
                retention::ownerless(&mut conn, &batch).await?
            };
            for (tenant, import) in &ownerless {
                self.uploads.delete(*tenant, *import).await?;
            }
            deleted += ownerless.len();
        }
        Ok(deleted)
    }

    async fn forget_keys(&self) -> Result<usize, CleaningError> {
        let mut conn = self.database.connection().await?;
        Ok(idempotency::forget_expired(&mut conn).await?)
    }
}

fn told(what: &str, removed: Result<usize, CleaningError>) {
    match removed {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, "{what} were removed"),
        Err(error) => {
            let error = &error as &(dyn Error + 'static);
            tracing::warn!(error, "{what} could not all be removed; trying again later");
        }
    }
}
