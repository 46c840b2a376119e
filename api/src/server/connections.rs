//! The open connections: how many there may be, and which one makes room for a new one.
//!
//! A client that opens connections and leaves them idle, or never completes a request's head, takes no other client's
//! place: at the limit, the connection that has been without a request for longest is closed.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// How long a connection that was told to close may take to free its place.
const EVICTION_TIMEOUT: Duration = Duration::from_secs(1);
/// The time in [`Activity::idle_since`] while a request is served.
const SERVING: u64 = u64::MAX;

/// All open connections. Cheap to clone.
#[derive(Clone)]
pub struct Connections(Arc<Registry>);

struct Registry {
    places: Arc<Semaphore>,
    /// What the times of [`Activity`] are counted from.
    started: Instant,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    last_id: u64,
    connections: HashMap<u64, Activity>,
}

/// What a connection is doing. Cheap to clone.
#[derive(Clone)]
pub struct Activity {
    started: Instant,
    /// Milliseconds from `started` to the end of the last request, or [`SERVING`].
    idle_since: Arc<AtomicU64>,
    /// Cancelled when the connection must make room for another.
    evicted: CancellationToken,
}

/// A connection's place. Dropping it frees the place.
pub struct Place {
    registry: Arc<Registry>,
    id: u64,
    activity: Activity,
    _permit: OwnedSemaphorePermit,
}

impl Connections {
    /// At most `limit` connections are open at once.
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Registry {
            places: Arc::new(Semaphore::new(limit)),
            started: Instant::now(),
            open: Mutex::default(),
        }))
    }

    /// A place for a new connection. `None` if every connection is serving a request.
    pub async fn admit(&self) -> Option<Place> {
        let places = Arc::clone(&self.0.places);
        let permit = match Arc::clone(&places).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) if self.evict() => timeout(EVICTION_TIMEOUT, places.acquire_owned()).await.ok()?.ok()?,
            Err(_) => return None,
        };
        let activity = Activity {
            started: self.0.started,
            idle_since: Arc::default(),
            evicted: CancellationToken::new(),
        };
        activity.finish();
        let mut open = self.0.open();
        open.last_id += 1;
        let id = open.last_id;
        open.connections.insert(id, activity.clone());
        drop(open);
        Some(Place { registry: Arc::clone(&self.0), id, activity, _permit: permit })
    }

    /// Tells the connection that has been idle for longest to close. Returns whether there is one.
    fn evict(&self) -> bool {
        let open = self.0.open();
        let idle = open.connections.values().filter(|activity| {
            activity.idle_since.load(Ordering::Acquire) != SERVING && !activity.evicted.is_cancelled()
        });
        let longest = idle.min_by_key(|activity| activity.idle_since.load(Ordering::Acquire));
        longest.inspect(|activity| activity.evicted.cancel()).is_some()
    }
}

impl Registry {
    fn open(&self) -> MutexGuard<'_, Open> {
        // A panic cannot leave the map in an inconsistent state.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    pub fn activity(&self) -> &Activity {
        &self.activity
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.registry.open().connections.remove(&self.id);
    }
}

impl Activity {
    /// Says that a request has arrived.
    pub fn begin(&self) {
        self.idle_since.store(SERVING, Ordering::Release);
    }

    /// Says that the response has ended.
    pub fn finish(&self) {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(SERVING - 1);
        self.idle_since.store(now, Ordering::Release);
    }

    /// Waits until the connection must close.
    pub async fn evicted(&self) {
        self.evicted.cancelled().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_connection_that_is_idle_for_longest_makes_room() {
        let connections = Connections::new(2);
        let first = connections.admit().await.expect("a place");
        tokio::time::advance(Duration::from_secs(1)).await;
        let second = connections.admit().await.expect("a place");
        // The first is the oldest, but it is serving a request.
        first.activity().begin();
        let activity = second.activity().clone();
        tokio::spawn(async move {
            activity.evicted().await;
            drop(second);
        });
        let third = connections.admit().await.expect("the second makes room");
        third.activity().begin();
        assert!(connections.admit().await.is_none(), "both are serving a request");
        first.activity().finish();
        assert!(connections.admit().await.is_none(), "the first was told to close and did not");
        drop(first);
        assert!(connections.admit().await.is_some());
    }
}
