//! The edges of what a process does for good: before and after each commit, publish, confirm, acknowledgement, step of a
//! lease and upload. The tests kill and stop processes exactly there, and look at what is left.
//!
//! Passing an edge does nothing: the code that could do anything is compiled only with the feature `edges`, which the
//! tests ask for and no release has. There, `ROLLCALL_EDGE` says what happens on which edge, separated by commas:
//!
//! ```text
//! EDGE:ACTION:NTH[:TENANT]        after-chunk-commit:kill:2
//! ```
//!
//! The action is taken when the process passes the edge for the `NTH` time, counted from 1; with a tenant's id, those
//! passings are counted that are on that tenant's behalf.

use crate::ids::TenantId;

macro_rules! edges {
    ($($(#[$doc:meta])* $edge:ident = $name:literal,)*) => {
        /// A point on the way of an import at which a process may die.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Edge {
            $($(#[$doc])* $edge,)*
        }

        impl Edge {
            /// Every edge there is.
            pub const ALL: &[Self] = &[$(Self::$edge,)*];

            /// The name that it is called by from outside the process.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$edge => $name,)*
                }
            }
        }
    };
}

edges! {
    /// Some of an upload is in the store, and more is to come.
    BetweenUploadParts = "between-upload-parts",
    /// All of an upload was handed to the store, which has not put it in its place.
    BeforeUploadFinish = "before-upload-finish",
    /// An upload is durable; nobody knows of it.
    AfterUploadFinish = "after-upload-finish",
    /// An import is about to get its place in the line.
    BeforeSubmitCommit = "before-submit-commit",
    /// An import has its place in the line.
    AfterSubmitCommit = "after-submit-commit",
    /// A wake-up is about to be published.
    BeforeWakeUpPublish = "before-wake-up-publish",
    /// A wake-up is on its way to the broker, which has not confirmed it.
    AfterWakeUpPublish = "after-wake-up-publish",
    /// The broker has confirmed a wake-up.
    AfterWakeUpConfirm = "after-wake-up-confirm",
    /// It is about to be kept that a wake-up was published.
    BeforeWokenCommit = "before-woken-commit",
    /// It is kept that a wake-up was published.
    AfterWokenCommit = "after-woken-commit",
    /// A wake-up has arrived; its import is about to be claimed.
    BeforeClaimCommit = "before-claim-commit",
    /// An import is claimed.
    AfterClaimCommit = "after-claim-commit",
    /// A wake-up is about to be acknowledged.
    BeforeWakeUpAck = "before-wake-up-ack",
    /// A wake-up is acknowledged.
    AfterWakeUpAck = "after-wake-up-ack",
    /// A lease is about to be renewed.
    BeforeRenewCommit = "before-renew-commit",
    /// A lease is renewed.
    AfterRenewCommit = "after-renew-commit",
    /// The number of a file's rows is about to be kept.
    BeforeTotalCommit = "before-total-commit",
    /// The number of a file's rows is kept.
    AfterTotalCommit = "after-total-commit",
    /// A chunk is merged, with everything that commits with it, and its transaction is about to be committed.
    BeforeChunkCommit = "before-chunk-commit",
    /// A chunk is committed.
    AfterChunkCommit = "after-chunk-commit",
    /// An import that has no rows to merge is about to end.
    BeforeEndCommit = "before-end-commit",
    /// An import that has no rows to merge has ended.
    AfterEndCommit = "after-end-commit",
    /// A dead letter is about to be published.
    BeforeDeadLetterPublish = "before-dead-letter-publish",
    /// A dead letter is on its way to the broker, which has not confirmed it.
    AfterDeadLetterPublish = "after-dead-letter-publish",
    /// The broker has confirmed a dead letter; it is about to be kept that it did.
    AfterDeadLetterConfirm = "after-dead-letter-confirm",
    /// It is kept that a dead letter was published.
    AfterDeadLetterCommit = "after-dead-letter-commit",
    /// An import is about to be cancelled.
    BeforeCancelCommit = "before-cancel-commit",
    /// An import is cancelled.
    AfterCancelCommit = "after-cancel-commit",
    /// An import is about to be given back.
    BeforeReleaseCommit = "before-release-commit",
    /// An import is given back.
    AfterReleaseCommit = "after-release-commit",
    /// A pass through a tenant's waiting passwords is about to begin.
    BeforePassCommit = "before-pass-commit",
    /// A pass through a tenant's waiting passwords has begun; no turn is published.
    AfterPassCommit = "after-pass-commit",
    /// The relay has claimed turns that are due, and published none.
    AfterTurnClaimCommit = "after-turn-claim-commit",
    /// A hashing turn is about to be published.
    BeforeTurnPublish = "before-turn-publish",
    /// A hashing turn is on its way to the broker, which has not confirmed it.
    AfterTurnPublish = "after-turn-publish",
    /// The broker has confirmed a hashing turn.
    AfterTurnConfirm = "after-turn-confirm",
    /// A batch of waiting passwords is about to be taken.
    BeforeBatchCommit = "before-batch-commit",
    /// A batch of waiting passwords is taken, and none of it hashed.
    AfterBatchCommit = "after-batch-commit",
    /// A batch is hashed; its hashes are about to be stored.
    BeforeHashesCommit = "before-hashes-commit",
    /// A batch's hashes are stored.
    AfterHashesCommit = "after-hashes-commit",
    /// A hashing turn is about to be acknowledged.
    BeforeTurnAck = "before-turn-ack",
    /// A hashing turn is acknowledged.
    AfterTurnAck = "after-turn-ack",
    /// Finished imports have given up their uploads; none is deleted.
    AfterUploadsGivenUpCommit = "after-uploads-given-up-commit",
    /// The upload of a finished import is deleted.
    AfterUploadDelete = "after-upload-delete",
}

/// The process is on this edge.
#[inline]
pub fn pass(edge: Edge) {
    on_behalf_of(None, edge);
}

/// The process is on this edge, on a tenant's behalf.
#[inline]
pub fn pass_for(tenant: TenantId, edge: Edge) {
    on_behalf_of(Some(tenant), edge);
}

#[cfg(not(feature = "edges"))]
#[inline]
fn on_behalf_of(_: Option<TenantId>, _: Edge) {}

#[cfg(feature = "edges")]
use armed::on_behalf_of;

#[cfg(feature = "edges")]
mod armed {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use rustix::process::{Signal, getpid, kill_process};

    use super::Edge;
    use crate::ids::TenantId;

    /// How long whoever passed the edge on which its process was stopped goes no further, once it goes on: what was
    /// asked of the process meanwhile comes first.
    const STOPPED: Duration = Duration::from_millis(100);

    /// What happens on an edge.
    struct Order {
        edge: Edge,
        signal: Signal,
        nth: u32,
        tenant: Option<TenantId>,
        passed: AtomicU32,
    }

    pub(super) fn on_behalf_of(tenant: Option<TenantId>, edge: Edge) {
        static ORDERS: OnceLock<Vec<Order>> = OnceLock::new();
        for order in ORDERS.get_or_init(orders) {
            let is_meant = order.edge == edge && (order.tenant.is_none() || order.tenant == tenant);
            if is_meant && order.passed.fetch_add(1, Ordering::Relaxed) + 1 == order.nth {
                let _ = kill_process(getpid(), order.signal);
                // A stop takes hold of one thread after the other.
                std::thread::sleep(STOPPED);
            }
        }
    }

    fn orders() -> Vec<Order> {
        let text = std::env::var("ROLLCALL_EDGE").unwrap_or_default();
        let orders = text.split(',').filter(|order| !order.is_empty()).map(|text| {
            order(text).unwrap_or_else(|| {
                eprintln!(
                    "ROLLCALL_EDGE={text}: write EDGE:kill:NTH or EDGE:stop:NTH, and :TENANT behind it"
                );
                std::process::abort()
            })
        });
        orders.collect()
    }

    fn order(text: &str) -> Option<Order> {
        let mut parts = text.split(':');
        let name = parts.next()?;
        Some(Order {
            edge: *Edge::ALL.iter().find(|edge| edge.name() == name)?,
            signal: match parts.next()? {
                "kill" => Signal::KILL,
                "stop" => Signal::STOP,
                _ => return None,
            },
            nth: parts.next()?.parse().ok()?,
            tenant: parts.next().map(str::parse).transpose().ok()?,
            passed: AtomicU32::new(0),
        })
    }
}
