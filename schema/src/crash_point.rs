//! Crash points: before and after each commit, publish, confirm, acknowledgement, lease step and upload step. The tests
//! kill and stop processes exactly there and check what is left.
//!
//! Reaching a crash point does nothing: the code that acts is compiled only with the feature `crash-points`, which the
//! tests enable and no release has. With it, `ROLLCALL_CRASH_POINT` says what happens where, separated by commas:
//!
//! ```text
//! CRASH_POINT:ACTION:NTH[:TENANT]        after-chunk-commit:kill:2
//! ```
//!
//! The action (`kill` or `stop`) is taken when the process reaches the crash point for the `NTH` time, counted from 1.
//! With a tenant's id, only what the process does for that tenant counts.

use crate::ids::TenantId;

macro_rules! crash_points {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// A point in the life of an import at which a process may die.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum CrashPoint {
            $($(#[$doc])* $variant,)*
        }

        impl CrashPoint {
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name in `ROLLCALL_CRASH_POINT`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

crash_points! {
    /// A part of an upload is in the store; more follows.
    BetweenUploadParts = "between-upload-parts",
    /// The whole upload was handed to the store, which has not given it its name yet.
    BeforeUploadFinish = "before-upload-finish",
    /// The upload is durable; no import refers to it.
    AfterUploadFinish = "after-upload-finish",
    /// Before an import enters its tenant's line.
    BeforeSubmitCommit = "before-submit-commit",
    AfterSubmitCommit = "after-submit-commit",
    BeforeWakeUpPublish = "before-wake-up-publish",
    /// A wake-up was sent to the broker, which has not confirmed it.
    AfterWakeUpPublish = "after-wake-up-publish",
    AfterWakeUpConfirm = "after-wake-up-confirm",
    /// Before the database records that a wake-up was published.
    BeforePublishedCommit = "before-published-commit",
    AfterPublishedCommit = "after-published-commit",
    /// A wake-up has arrived; its import is not claimed yet.
    BeforeClaimCommit = "before-claim-commit",
    AfterClaimCommit = "after-claim-commit",
    BeforeWakeUpAck = "before-wake-up-ack",
    AfterWakeUpAck = "after-wake-up-ack",
    /// Before a lease is renewed.
    BeforeRenewCommit = "before-renew-commit",
    AfterRenewCommit = "after-renew-commit",
    /// Before the number of a file's rows is stored.
    BeforeTotalCommit = "before-total-commit",
    AfterTotalCommit = "after-total-commit",
    /// A chunk is merged, with everything that commits with it.
    BeforeChunkCommit = "before-chunk-commit",
    AfterChunkCommit = "after-chunk-commit",
    /// Before an import ends that has no rows left to merge.
    BeforeEndCommit = "before-end-commit",
    AfterEndCommit = "after-end-commit",
    BeforeDeadLetterPublish = "before-dead-letter-publish",
    /// A dead letter was sent to the broker, which has not confirmed it.
    AfterDeadLetterPublish = "after-dead-letter-publish",
    /// The broker confirmed a dead letter; the database does not know yet.
    AfterDeadLetterConfirm = "after-dead-letter-confirm",
    AfterDeadLetterCommit = "after-dead-letter-commit",
    BeforeCancelCommit = "before-cancel-commit",
    AfterCancelCommit = "after-cancel-commit",
    /// Before an import is released to be tried again.
    BeforeReleaseCommit = "before-release-commit",
    AfterReleaseCommit = "after-release-commit",
    /// Before a pass through a tenant's waiting passwords starts.
    BeforePassCommit = "before-pass-commit",
    /// A pass has started; no hash batch request is published.
    AfterPassCommit = "after-pass-commit",
    /// The relay has claimed hash batch requests that are due, and published none.
    AfterHashRequestClaimCommit = "after-hash-request-claim-commit",
    BeforeHashRequestPublish = "before-hash-request-publish",
    /// A hash batch request was sent to the broker, which has not confirmed it.
    AfterHashRequestPublish = "after-hash-request-publish",
    AfterHashRequestConfirm = "after-hash-request-confirm",
    /// Before a batch of waiting passwords is taken.
    BeforeBatchCommit = "before-batch-commit",
    /// A batch is taken; none of it is hashed.
    AfterBatchCommit = "after-batch-commit",
    /// A batch is hashed; its hashes are not stored.
    BeforeHashesCommit = "before-hashes-commit",
    AfterHashesCommit = "after-hashes-commit",
    BeforeHashRequestAck = "before-hash-request-ack",
    AfterHashRequestAck = "after-hash-request-ack",
    /// Uploads of finished imports are marked as deleted; none is deleted yet.
    AfterUploadsExpiredCommit = "after-uploads-expired-commit",
    /// The upload of a finished import is deleted.
    AfterUploadDelete = "after-upload-delete",
}

/// The process is at this point.
#[inline]
pub fn reached(point: CrashPoint) {
    act(None, point);
}

/// The process is at this point, working for a tenant.
#[inline]
pub fn reached_for(tenant: TenantId, point: CrashPoint) {
    act(Some(tenant), point);
}

#[cfg(not(feature = "crash-points"))]
#[inline]
fn act(_: Option<TenantId>, _: CrashPoint) {}

#[cfg(feature = "crash-points")]
use armed::act;

#[cfg(feature = "crash-points")]
mod armed {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use rustix::process::{Signal, getpid, kill_process};

    use super::CrashPoint;
    use crate::ids::TenantId;

    /// How long the thread that stopped its process waits once the process continues, so that signals sent meanwhile
    /// take effect first.
    const AFTER_STOP: Duration = Duration::from_millis(100);

    /// What happens at a crash point.
    struct Order {
        point: CrashPoint,
        signal: Signal,
        nth: u32,
        tenant: Option<TenantId>,
        times_reached: AtomicU32,
    }

    pub(super) fn act(tenant: Option<TenantId>, point: CrashPoint) {
        static ORDERS: OnceLock<Vec<Order>> = OnceLock::new();
        for order in ORDERS.get_or_init(orders) {
            let matches = order.point == point && (order.tenant.is_none() || order.tenant == tenant);
            if matches && order.times_reached.fetch_add(1, Ordering::Relaxed) + 1 == order.nth {
                let _ = kill_process(getpid(), order.signal);
                // A stop reaches one thread after the other.
                std::thread::sleep(AFTER_STOP);
            }
        }
    }

    fn orders() -> Vec<Order> {
        let text = std::env::var("ROLLCALL_CRASH_POINT").unwrap_or_default();
        let orders = text.split(',').filter(|order| !order.is_empty()).map(|text| {
            order(text).unwrap_or_else(|| {
                eprintln!(
                    "ROLLCALL_CRASH_POINT={text}: write CRASH_POINT:kill:NTH or CRASH_POINT:stop:NTH, optionally \
                     followed by :TENANT"
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
            point: *CrashPoint::ALL.iter().find(|point| point.name() == name)?,
            signal: match parts.next()? {
                "kill" => Signal::KILL,
                "stop" => Signal::STOP,
                _ => return None,
            },
            nth: parts.next()?.parse().ok()?,
            tenant: parts.next().map(str::parse).transpose().ok()?,
            times_reached: AtomicU32::new(0),
        })
    }
}
