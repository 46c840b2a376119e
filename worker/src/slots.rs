//! The slots of a worker: how many imports of each lane it processes at the same time.

use std::sync::Arc;

use rollcall_schema::lane::Lane;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// The slots of both lanes. Cheap to clone.
#[derive(Clone)]
pub struct Slots {
    small: Arc<Semaphore>,
    bulk: Arc<Semaphore>,
}

/// A slot that is taken, until this is dropped.
pub struct Slot {
    _permit: OwnedSemaphorePermit,
}

impl Slots {
    pub fn new(small: usize, bulk: usize) -> Self {
        Self { small: Arc::new(Semaphore::new(small)), bulk: Arc::new(Semaphore::new(bulk)) }
    }

    fn of(&self, lane: Lane) -> &Arc<Semaphore> {
        match lane {
            Lane::Small => &self.small,
            Lane::Bulk => &self.bulk,
        }
    }

    /// How many slots of a lane are free.
    pub fn free(&self, lane: Lane) -> usize {
        self.of(lane).available_permits()
    }

    /// Takes a slot, if one is free.
    pub fn try_take(&self, lane: Lane) -> Option<Slot> {
        let permit = Arc::clone(self.of(lane)).try_acquire_owned().ok()?;
        Some(Slot { _permit: permit })
    }

    /// Waits until a slot is free, or until `stop`. Takes none.
    pub async fn wait_for_free(&self, lane: Lane, stop: &CancellationToken) {
        let _ = stop.run_until_cancelled(self.of(lane).acquire()).await;
    }
}
