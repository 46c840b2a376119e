//! Waiting for an import to finish without polling the database: Postgres notifies one connection of this process
//! about each finished import, and that wakes the requests that wait for it.
//!
//! A notification is only a hint. A waiting request fetches the import when it starts to wait, on each notification,
//! after the listening connection was lost and re-established (notifications may have been missed), and twice a minute in
//! any case.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::error::Error;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use futures_util::StreamExt as _;
use rollcall_schema::ids::{ImportId, TenantId};
use rollcall_schema::imports::model::{self, Import, ImportState};
use rollcall_schema::imports::progress::FINISHED_CHANNEL;
use rollcall_schema::postgres::error::DatabaseError;
use rollcall_schema::postgres::pool::Database;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::shutdown::ShutdownPhases;

/// How often a waiting request fetches the import without a notification.
const POLL_INTERVAL: Duration = Duration::from_secs(30);
/// How long a request waits for a notification before it first fetches the import. A small import is finished by then, and
/// fetched once.
const HEAD_START: Duration = Duration::from_millis(50);
/// The delay before the first retry after a failure of the database. It doubles with each further one.
const MIN_RETRY_DELAY: Duration = Duration::from_millis(500);
const MAX_RETRY_DELAY: Duration = Duration::from_secs(10);

/// The result of waiting for an import.
pub enum WaitOutcome {
    Finished(Box<Import>),
    /// The deadline has passed, or the process is shutting down. Holds the import as last fetched, or `None` if the
    /// database has not answered since the request started to wait.
    Pending(Option<Box<Import>>),
    /// There is no such import, or it has been deleted.
    Gone,
}

/// Where requests wait for imports. Cheap to clone.
#[derive(Clone)]
pub struct CompletionHub {
    database: Database,
    shutdown: ShutdownPhases,
    waiters: Arc<Waiters>,
}

impl CompletionHub {
    pub fn new(database: Database, shutdown: ShutdownPhases) -> Self {
        Self { database, shutdown, waiters: Arc::default() }
    }

    /// Listens for finished imports for as long as the process runs.
    pub async fn listen(self) {
        let mut delays = retry_delays();
        let mut lost = false;
        loop {
            match self.database.listen(FINISHED_CHANNEL).await {
                Ok(mut connection) => {
                    if std::mem::take(&mut lost) {
                        tracing::info!("listening for finished imports again");
                    }
                    delays = retry_delays();
                    self.waiters.wake_all();
                    let mut notifications = pin!(connection.notifications_stream());
                    while let Some(Ok(notification)) = notifications.next().await {
                        if let Ok(import) = notification.payload.parse() {
                            self.waiters.wake(import);
                        }
                    }
                    tracing::warn!("lost the connection that listens for finished imports, retrying");
                    lost = true;
                }
                Err(error) if !lost => {
                    lost = true;
                    let error = &error as &(dyn Error + 'static);
                    tracing::warn!(
                        error,
                        "cannot listen for finished imports, retrying; meanwhile waiting requests poll twice a minute"
                    );
                }
                // Already logged.
                Err(_) => {}
            }
            sleep(delays.next().unwrap_or(MAX_RETRY_DELAY)).await;
        }
    }

    /// Waits until the import is finished, the deadline has passed, or the process is about to stop. Retries while the
    /// database fails.
    pub async fn wait(&self, tenant: TenantId, import: ImportId, deadline: Instant) -> WaitOutcome {
        let stop = async {
            tokio::select! {
                () = sleep_until(deadline) => {}
                () = self.shutdown.stop_waiting.cancelled() => {}
            }
        };
        self.wait_unless(tenant, import, stop).await
    }

    /// Waits until the import is finished, for a response that has begun and can have no other end.
    pub async fn wait_to_the_end(&self, tenant: TenantId, import: ImportId) -> WaitOutcome {
        self.wait_unless(tenant, import, std::future::pending()).await
    }

    async fn wait_unless(
        &self,
        tenant: TenantId,
        import: ImportId,
        stop: impl Future<Output = ()>,
    ) -> WaitOutcome {
        let mut stop = pin!(stop);
        // Joins before it fetches, so that no notification is lost in between.
        let mut waiter = self.waiters.join(import);
        // Whether it comes or not, the import is fetched next.
        let _ = timeout(HEAD_START, waiter.woken()).await;
        let mut latest = None;
        let mut delays = retry_delays();
        loop {
            let fetch_again_after = match fetch(&self.database, tenant, import).await {
                Ok(Some(found)) if found.state == ImportState::Finished => {
                    return WaitOutcome::Finished(Box::new(found));
                }
                Ok(Some(found)) => {
                    latest = Some(Box::new(found));
                    delays = retry_delays();
                    POLL_INTERVAL
                }
                Ok(None) => return WaitOutcome::Gone,
                Err(error) => {
                    let error = &error as &(dyn Error + 'static);
                    tracing::debug!(error, "failed to fetch an import, retrying");
                    delays.next().unwrap_or(MAX_RETRY_DELAY)
                }
            };
            tokio::select! {
                () = waiter.woken() => {}
                () = sleep(fetch_again_after) => {}
                () = &mut stop => return WaitOutcome::Pending(latest),
            }
        }
    }

    /// Whether the process is shutting down, so that no response may begin that would have to wait for its end.
    pub fn is_draining(&self) -> bool {
        self.shutdown.draining.is_cancelled()
    }
}

/// Fetches the import as it is now.
pub async fn fetch(
    database: &Database,
    tenant: TenantId,
    import: ImportId,
) -> Result<Option<Import>, DatabaseError> {
    let mut conn = database.connection_for(tenant).await?.with_cached_plans();
    Ok(model::find(&mut conn, tenant, import).await?)
}

fn retry_delays() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::new()
        .with_min_delay(MIN_RETRY_DELAY)
        .with_max_delay(MAX_RETRY_DELAY)
        .without_max_times()
        .build()
}

/// The requests that are waiting, by import.
#[derive(Default)]
struct Waiters {
    imports: Mutex<HashMap<ImportId, watch::Sender<()>>>,
}

/// One request that is waiting for an import.
struct Waiter<'a> {
    waiters: &'a Waiters,
    import: ImportId,
    woken: watch::Receiver<()>,
}

impl Waiters {
    fn join(&self, import: ImportId) -> Waiter<'_> {
        let woken = self.imports().entry(import).or_insert_with(|| watch::channel(()).0).subscribe();
        Waiter { waiters: self, import, woken }
    }

    fn wake(&self, import: ImportId) {
        if let Some(sender) = self.imports().get(&import) {
            sender.send_replace(());
        }
    }

    fn wake_all(&self) {
        self.imports().values().for_each(|sender| {
            sender.send_replace(());
        });
    }

    fn imports(&self) -> MutexGuard<'_, HashMap<ImportId, watch::Sender<()>>> {
        // A panic cannot leave the map in an inconsistent state.
        self.imports.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiter<'_> {
    async fn woken(&mut self) {
        if self.woken.changed().await.is_err() {
            // Cannot happen: the sender is kept as long as there is a receiver. If it did, polling would remain.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        if let Entry::Occupied(import) = self.waiters.imports().entry(self.import)
            && import.get().receiver_count() <= 1
        {
            import.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn a_waiter_is_woken_for_its_import_only_and_never_misses_it() {
        let waiters = Waiters::default();
        let (one, other) = (ImportId::generate(), ImportId::generate());
        let mut waiter = waiters.join(one);
        waiters.wake(other);
        assert!(waiter.woken().now_or_never().is_none());
        waiters.wake(one);
        assert!(waiter.woken().now_or_never().is_some());
        waiters.wake_all();
        assert!(waiter.woken().now_or_never().is_some());
    }

    #[test]
    fn the_last_waiter_removes_the_entry() {
        let waiters = Waiters::default();
        let import = ImportId::generate();
        let first = waiters.join(import);
        let second = waiters.join(import);
        drop(first);
        assert_eq!(waiters.imports().len(), 1);
        drop(second);
        assert!(waiters.imports().is_empty());
    }

    #[test]
    fn retry_delays_double_up_to_the_maximum() {
        let delays: Vec<_> = retry_delays().take(7).map(|delay| delay.as_millis()).collect();
        assert_eq!(delays, [500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
    }
}
