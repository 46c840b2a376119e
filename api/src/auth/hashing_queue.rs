//! The queue of logins that wait for a hashing thread. It is fair: networks take turns, and within a network accounts do,
//! so that a flood waits for itself.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

const WAIT_TIMEOUT: Duration = Duration::from_secs(30);

/// Where a login waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A login that was right lately: before all others. Only a right password leads here.
    Recognised,
    /// Groups take turns, and so do the lanes of a group.
    Lane { group: u64, lane: u64 },
    /// Work that no request waits for: when nothing else waits.
    Background,
}

/// No thread became free in time.
#[derive(Debug, thiserror::Error)]
#[error("timed out waiting for a hashing thread")]
pub struct Overloaded;

/// The queue. Cheap to clone.
#[derive(Clone)]
pub struct HashingQueue(Arc<Mutex<State>>);

struct State {
    free: usize,
    recognised: VecDeque<Waiter>,
    groups: Turns<u64, Turns<u64, VecDeque<Waiter>>>,
    background: VecDeque<Waiter>,
}

type Waiter = oneshot::Sender<Permit>;

/// The right to use a hashing thread, until it is dropped.
pub struct Permit(Option<HashingQueue>);

impl HashingQueue {
    pub fn new(threads: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            free: threads,
            recognised: VecDeque::new(),
            groups: Turns::default(),
            background: VecDeque::new(),
        })))
    }

    /// Waits for a thread.
    pub async fn wait(&self, place: Place) -> Result<Permit, Overloaded> {
        let waiting = {
            let mut state = self.state();
            if state.free > 0 {
                state.free -= 1;
                return Ok(Permit(Some(self.clone())));
            }
            let (waiter, waiting) = oneshot::channel();
            match place {
                Place::Recognised => state.recognised.push_back(waiter),
                Place::Lane { group, lane } => state.groups.queue(group).queue(lane).push_back(waiter),
                Place::Background => state.background.push_back(waiter),
            }
            waiting
        };
        match timeout(WAIT_TIMEOUT, waiting).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(Overloaded),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic cannot leave the queues in an inconsistent state.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes a free thread on to the next that still waits.
    fn pass_on(self) {
        loop {
            let next = {
                let mut state = self.state();
                let Some(next) = state.next() else {
                    state.free += 1;
                    return;
                };
                next
            };
            // Sent without the lock: what is not received is dropped, and passes it on again.
            match next.send(Permit(Some(self.clone()))) {
                Ok(()) => return,
                Err(mut unsent) => unsent.0 = None,
            }
        }
    }
}

impl State {
    fn next(&mut self) -> Option<Waiter> {
        self.recognised
            .pop_front()
            .or_else(|| self.groups.next(|lanes| lanes.next(VecDeque::pop_front)))
            .or_else(|| self.background.pop_front())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(queue) = self.0.take() {
            queue.pass_on();
        }
    }
}

/// Queues that take turns.
struct Turns<K, Q> {
    queues: HashMap<K, Q>,
    order: VecDeque<K>,
}

impl<K, Q> Default for Turns<K, Q> {
    fn default() -> Self {
        Self { queues: HashMap::new(), order: VecDeque::new() }
    }
}

impl<K: Hash + Eq + Copy, Q: Default> Turns<K, Q> {
    /// The queue of this key. A new one is the last in turn.
    fn queue(&mut self, key: K) -> &mut Q {
        self.queues.entry(key).or_insert_with(|| {
            self.order.push_back(key);
            Q::default()
        })
    }

    /// What `take` takes from the queue whose turn it is. A queue from which it takes nothing is removed.
    fn next<T>(&mut self, take: impl Fn(&mut Q) -> Option<T>) -> Option<T> {
        while let Some(key) = self.order.pop_front() {
            if let Some(taken) = self.queues.get_mut(&key).and_then(&take) {
                self.order.push_back(key);
                return Some(taken);
            }
            self.queues.remove(&key);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use futures_util::future::BoxFuture;

    use super::*;

    type Waiting = BoxFuture<'static, Result<Permit, Overloaded>>;

    /// Joins the queue.
    fn join(queue: &HashingQueue, place: Place) -> Waiting {
        let queue = queue.clone();
        let mut waiting = async move { queue.wait(place).await }.boxed();
        assert!((&mut waiting).now_or_never().is_none(), "no thread is free");
        waiting
    }

    /// The order in which those that wait are served by one thread.
    fn order(busy: Permit, mut waiting: Vec<(&'static str, Waiting)>) -> Vec<&'static str> {
        let mut served = Vec::new();
        drop(busy);
        while let Some(next) = waiting.iter_mut().position(|(name, waiting)| {
            let permit = waiting.now_or_never();
            if permit.is_some() {
                served.push(*name);
            }
            permit.is_some()
        }) {
            drop(waiting.remove(next));
        }
        served
    }

    #[tokio::test]
    async fn networks_and_accounts_take_turns() {
        let queue = HashingQueue::new(1);
        let busy = queue.wait(Place::Background).await.expect("a thread is free");
        let lane = |group, lane| Place::Lane { group, lane };
        let mut waiting = vec![("background", join(&queue, Place::Background))];
        for _ in 0..3 {
            waiting.push(("flood", join(&queue, lane(1, 1))));
        }
        waiting.push(("account", join(&queue, lane(1, 2))));
        waiting.push(("network", join(&queue, lane(2, 1))));
        waiting.push(("recognised", join(&queue, Place::Recognised)));
        assert_eq!(
            order(busy, waiting),
            ["recognised", "flood", "network", "account", "flood", "flood", "background"]
        );
        let state = queue.state();
        assert_eq!((state.free, state.groups.queues.len()), (1, 0));
    }

    #[tokio::test]
    async fn what_no_longer_waits_is_skipped() {
        let queue = HashingQueue::new(1);
        let busy = queue.wait(Place::Recognised).await.expect("a thread is free");
        let gone = join(&queue, Place::Recognised);
        let waiting = vec![("second", join(&queue, Place::Recognised))];
        drop(gone);
        assert_eq!(order(busy, waiting), ["second"]);
        assert_eq!(queue.state().free, 1);
    }

    #[tokio::test]
    async fn a_permit_that_was_passed_on_and_not_taken_is_not_lost() {
        let queue = HashingQueue::new(1);
        let busy = queue.wait(Place::Recognised).await.expect("a thread is free");
        let gone = join(&queue, Place::Recognised);
        drop(busy);
        drop(gone);
        assert_eq!(queue.state().free, 1);
    }
}
