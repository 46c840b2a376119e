//! Slots: how many requests of a kind may be open at once, of one tenant and in all. They bound the memory that requests
//! can take, and let no tenant take the whole of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rollcall_schema::ids::TenantId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::http::error::ApiError;

/// How long a request waits for a slot: a burst of requests is only slowed down.
const WAIT: Duration = Duration::from_secs(5);
/// Tenants above which those without an open request are forgotten.
const MANY_TENANTS: usize = 1024;

/// The slots of one kind of request. Cheap to clone.
#[derive(Clone)]
pub struct Slots(Arc<Inner>);

struct Inner {
    /// What the requests are, for the refusal: "uploads".
    requests: &'static str,
    all: Arc<Semaphore>,
    per_tenant: usize,
    tenants: Mutex<HashMap<TenantId, Arc<Semaphore>>>,
}

/// A slot that is taken. Dropping it frees it.
#[derive(Debug)]
pub struct Slot {
    _tenant: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

impl Slots {
    pub fn new(requests: &'static str, in_all: u32, per_tenant: u32) -> Self {
        let size = |count: u32| usize::try_from(count).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self(Arc::new(Inner {
            requests,
            all: Arc::new(Semaphore::new(size(in_all))),
            per_tenant: size(per_tenant),
            tenants: Mutex::default(),
        }))
    }

    /// Takes a slot, or waits for one for a few seconds.
    pub async fn take(&self, tenant: TenantId) -> Result<Slot, ApiError> {
        let tenant = timeout(WAIT, self.of(tenant).acquire_owned()).await;
        let Ok(Ok(tenant)) = tenant else { return Err(ApiError::TenantBusy(self.0.requests)) };
        let all = timeout(WAIT, Arc::clone(&self.0.all).acquire_owned()).await;
        let Ok(Ok(all)) = all else { return Err(ApiError::Overloaded) };
        Ok(Slot { _tenant: tenant, _all: all })
    }

    /// Takes a slot, however long it takes until there is one.
    pub async fn wait(&self, tenant: TenantId) -> Option<Slot> {
        let tenant = self.of(tenant).acquire_owned().await.ok()?;
        let all = Arc::clone(&self.0.all).acquire_owned().await.ok()?;
        Some(Slot { _tenant: tenant, _all: all })
    }

    /// Takes a slot if there is one now.
    pub fn try_take(&self, tenant: TenantId) -> Option<Slot> {
        let tenant = self.of(tenant).try_acquire_owned().ok()?;
        let all = Arc::clone(&self.0.all).try_acquire_owned().ok()?;
        Some(Slot { _tenant: tenant, _all: all })
    }

    fn of(&self, tenant: TenantId) -> Arc<Semaphore> {
        // A panic cannot leave the map in an inconsistent state.
        let mut tenants = self.0.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if tenants.len() >= MANY_TENANTS {
            // A slot that is taken, and a request that waits for one, hold a reference.
            tenants.retain(|_, slots| Arc::strong_count(slots) > 1);
        }
        let new = || Arc::new(Semaphore::new(self.0.per_tenant));
        Arc::clone(tenants.entry(tenant).or_insert_with(new))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_tenant_takes_its_own_slots_only() {
        let slots = Slots::new("uploads", 3, 2);
        let (one, other) = (TenantId::generate(), TenantId::generate());
        let first = slots.take(one).await.expect("a slot");
        let _second = slots.take(one).await.expect("a slot");
        assert!(matches!(slots.take(one).await, Err(ApiError::TenantBusy("uploads"))));
        let _third = slots.take(other).await.expect("another tenant's slot");
        assert!(matches!(slots.take(other).await, Err(ApiError::Overloaded)));
        assert!(slots.try_take(TenantId::generate()).is_none());
        drop(first);
        assert!(slots.try_take(one).is_some());
    }

    #[tokio::test]
    async fn tenants_without_a_request_are_forgotten() {
        let slots = Slots::new("uploads", 3, 2);
        let one = TenantId::generate();
        let _slot = slots.take(one).await.expect("a slot");
        for _ in 0..2 * MANY_TENANTS {
            assert!(slots.try_take(TenantId::generate()).is_some());
        }
        let tenants = slots.0.tenants.lock().expect("no panic");
        assert!(tenants.len() <= MANY_TENANTS && tenants.contains_key(&one));
    }
}
