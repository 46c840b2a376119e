//! Retries of database operations: a database that restarts costs seconds, and is not queried in a tight loop meanwhile.
//!
//! What another process would do instead is given up after a minute. What only this one can do is retried until the
//! database is back, however long that takes.

use std::time::{Duration, Instant};

use backon::{ConstantBuilder, ExponentialBuilder, Retryable as _};
use rollcall_schema::imports::lease::LeaseError;
use rollcall_schema::postgres::error::DatabaseError;
use tokio_util::sync::CancellationToken;

/// How long a failing database operation is retried: far less than RabbitMQ lets a delivery wait for its
/// acknowledgement.
const RETRY_LIMIT: Duration = Duration::from_mins(1);
/// The pause between two tries.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// The longest pause between two tries of what is retried without a limit.
const MAX_RETRY_PAUSE: Duration = Duration::from_secs(5);

/// An error that may be a failure of the database.
pub trait MaybeDatabaseError: std::error::Error + 'static {
    fn is_database_error(&self) -> bool;
}

impl MaybeDatabaseError for DatabaseError {
    fn is_database_error(&self) -> bool {
        true
    }
}

impl MaybeDatabaseError for LeaseError {
    fn is_database_error(&self) -> bool {
        matches!(self, Self::Database(_))
    }
}

/// Runs an operation, and retries it while the database fails: for a minute at most, and not after `stop`. The limit is
/// one of time and not of tries, because a try can wait long for a connection.
pub async fn retry_database<T, E, Operation>(
    stop: &CancellationToken,
    operation: impl FnMut() -> Operation,
) -> Result<T, E>
where
    E: MaybeDatabaseError,
    Operation: Future<Output = Result<T, E>>,
{
    let deadline = Instant::now() + RETRY_LIMIT;
    operation
        .retry(ConstantBuilder::new().with_delay(RETRY_PAUSE).without_max_times())
        .when(|error: &E| error.is_database_error() && !stop.is_cancelled() && Instant::now() < deadline)
        .notify(|error, pause| {
            let error = error as &dyn std::error::Error;
            tracing::warn!(error, "the database failed; retrying in {pause:?}");
        })
        .await
}

/// Runs an operation, and retries it while the database fails, until `stop`.
pub async fn retry_until_done<T, E, Operation>(
    stop: &CancellationToken,
    operation: impl FnMut() -> Operation,
) -> Result<T, E>
where
    E: MaybeDatabaseError,
    Operation: Future<Output = Result<T, E>>,
{
    let pauses = ExponentialBuilder::new()
        .with_min_delay(RETRY_PAUSE)
        .with_max_delay(MAX_RETRY_PAUSE)
        .without_max_times();
    operation
        .retry(pauses)
        .when(|error: &E| error.is_database_error() && !stop.is_cancelled())
        .notify(|error, pause| {
            let error = error as &dyn std::error::Error;
            tracing::warn!(error, "the database failed; retrying in {pause:?}");
        })
        .await
}
