//! Waiting for an import to finish, without asking the database again and again: Postgres announces each finished
//! import, one connection of the process listens, and wakes who waits for it.
//!
//! An announcement is a hint. Whoever waits looks into the database before waiting, when woken, when the listening
//! connection was made anew (announcements may have been missed) and, to be safe, twice a minute.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::error::Error;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use rollcall_schema::database::{Database, DatabaseError};
use rollcall_schema::ids::{ImportId, TenantId};
use rollcall_schema::import::{self, FINISHED_CHANNEL, Import, State};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use crate::state::App;

/// How often whoever waits looks without having been woken.
const POLL_INTERVAL: Duration = Duration::from_secs(30);
/// When to look again after the database failed, and when to listen again after the connection was lost; doubled
/// each time.
const FIRST_RETRY: Duration = Duration::from_millis(500);
const LAST_RETRY: Duration = Duration::from_secs(10);

/// Who waits for which import.
#[derive(Default)]
pub struct CompletionHub {
    imports: Mutex<HashMap<ImportId, watch::Sender<()>>>,
}

/// A place among those who wait for an import.
struct Waiter<'a> {
    waiting: &'a CompletionHub,
    import: ImportId,
    woken: watch::Receiver<()>,
}

impl CompletionHub {
    fn join(&self, import: ImportId) -> Waiter<'_> {
        let woken = self.imports().entry(import).or_insert_with(|| watch::channel(()).0).subscribe();
        Waiter { waiting: self, import, woken }
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
        // The map is whole between any two statements, whatever panicked.
        self.imports.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiter<'_> {
    async fn woken(&mut self) {
        if self.woken.changed().await.is_err() {
            // The sender lives as long as somebody waits; were it gone, looking twice a minute remains.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        if let Entry::Occupied(import) = self.waiting.imports().entry(self.import)
            && import.get().receiver_count() <= 1
        {
            import.remove();
        }
    }
}

/// Listens for finished imports for as long as the process lives.
pub async fn listen(app: App) {
    let mut retry = FIRST_RETRY;
    let mut lost = false;
    loop {
        match app.database.listen(FINISHED_CHANNEL).await {
            Ok(mut connection) => {
                if std::mem::take(&mut lost) {
                    tracing::info!("hearing of finished imports again");
                }
                retry = FIRST_RETRY;
                app.waiting.wake_all();
                let mut announcements = pin!(connection.notifications_stream());
                while let Some(Ok(announcement)) = announcements.next().await {
                    if let Ok(import) = announcement.payload.parse() {
                        app.waiting.wake(import);
                    }
                }
                tracing::warn!("the connection that hears of finished imports was lost");
                lost = true;
            }
            Err(error) if !lost => {
                lost = true;
                let error = &error as &(dyn Error + 'static);
                tracing::warn!(error, "finished imports cannot be heard of; looking twice a minute");
            }
            Err(_) => {}
        }
        sleep(retry).await;
        retry = (retry * 2).min(LAST_RETRY);
    }
}

/// What became of waiting for an import.
pub enum WaitOutcome {
    /// It is finished.
    Finished(Box<Import>),
    /// The time is up. What was last known of it; nothing if the database could not be asked all the while.
    Pending(Option<Box<Import>>),
    /// There is no such import, or there is none any more.
    Gone,
}

/// Waits until the import is finished, or until `deadline`, or until the process is about to end. A database that
/// fails meanwhile is asked again.
pub async fn wait(app: &App, tenant: TenantId, import: ImportId, deadline: Option<Instant>) -> WaitOutcome {
    // Before the first look, so that no announcement falls between the two.
    let mut waiter = app.waiting.join(import);
    let mut latest = None;
    let mut retry = FIRST_RETRY;
    loop {
        let look_again = match fetch(&app.database, tenant, import).await {
            Ok(Some(found)) if found.state == State::Finished => {
                return WaitOutcome::Finished(Box::new(found));
            }
            Ok(Some(found)) => {
                latest = Some(Box::new(found));
                retry = FIRST_RETRY;
                POLL_INTERVAL
            }
            Ok(None) => return WaitOutcome::Gone,
            Err(error) => {
                let error = &error as &(dyn Error + 'static);
                tracing::debug!(error, "the import could not be looked at; trying again");
                let pause = retry;
                retry = (retry * 2).min(LAST_RETRY);
                pause
            }
        };
        tokio::select! {
            () = waiter.woken() => {}
            () = sleep(look_again) => {}
            () = passed(deadline) => return WaitOutcome::Pending(latest),
            () = app.shutdown.cancelled() => return WaitOutcome::Pending(latest),
        }
    }
}

/// The import as it is now.
pub async fn fetch(
    database: &Database,
    tenant: TenantId,
    import: ImportId,
) -> Result<Option<Import>, DatabaseError> {
    let mut conn = database.connection().await?;
    Ok(import::find(&mut conn, tenant, import).await?)
}

async fn passed(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn a_waiter_hears_of_its_import_only_and_never_misses_it() {
        let waiting = CompletionHub::default();
        let (one, other) = (ImportId::generate(), ImportId::generate());
        let mut waiter = waiting.join(one);
        waiting.wake(other);
        assert!(waiter.woken().now_or_never().is_none());
        waiting.wake(one);
        assert!(waiter.woken().now_or_never().is_some());
        waiting.wake_all();
        assert!(waiter.woken().now_or_never().is_some());
    }

    #[test]
    fn who_leaves_leaves_nothing_behind() {
        let waiting = CompletionHub::default();
        let import = ImportId::generate();
        let first = waiting.join(import);
        let second = waiting.join(import);
        drop(first);
        assert_eq!(waiting.imports().len(), 1);
        drop(second);
        assert!(waiting.imports().is_empty());
    }
}
