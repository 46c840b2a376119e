//! The workers, as the database knows them: each reports for as long as it lives, independently of its imports. So a worker
//! that died while it held an import is told from one that could not reach the database.

use std::time::Duration;

use crate::postgres::client::Session;
use crate::rabbitmq::connection::BrokerState;

const REPORT: &str = include_str!("sql/report_worker.sql");
const MARK_STOPPING: &str = include_str!("sql/mark_worker_stopping.sql");
const FORGET: &str = include_str!("sql/forget_workers.sql");

pub(crate) const STATEMENTS: &[(&str, &str)] =
    &[("report_worker", REPORT), ("mark_worker_stopping", MARK_STOPPING), ("forget_workers", FORGET)];

type Result<T> = std::result::Result<T, tokio_postgres::Error>;

/// A worker's report.
#[derive(Debug, Clone, Copy)]
pub struct Report {
    /// How long the worker is silent at most while it lives.
    pub silent_after: Duration,
    pub broker: BrokerState,
    /// Imports of the small lane that it could begin now.
    pub free_small: usize,
    /// Imports of the bulk lane that it could begin now.
    pub free_bulk: usize,
}

/// Records that the worker lives.
pub async fn report(session: &Session, worker: &str, report: Report) -> Result<()> {
    let count = |free: usize| i32::try_from(free).unwrap_or(i32::MAX);
    session
        .execute(
            REPORT,
            &[
                &worker,
                &report.silent_after.as_secs_f64(),
                &report.broker.as_str(),
                &count(report.free_small),
                &count(report.free_bulk),
            ],
        )
        .await?;
    Ok(())
}

/// Records that the worker was told to stop: whatever it still holds when it ends, it does not die of a file.
pub async fn mark_stopping(session: &Session, worker: &str) -> Result<()> {
    session.execute(MARK_STOPPING, &[&worker]).await?;
    Ok(())
}

/// Deletes workers that have not reported for a month.
pub async fn forget_silent(session: &Session) -> Result<u64> {
    session.execute(FORGET, &[]).await
}
