//! Refusals in the log: the first of a kind in full, further ones within the same ten seconds as a sum. A client that
//! is not logged in can then not fill a disk, however many requests it sends.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::sleep;

/// The time in which refusals of a kind are counted.
const WINDOW: Duration = Duration::from_secs(10);
/// Refusals of a kind that are logged in full within a window, so that two schools' mistakes can both be read.
const IN_FULL: u64 = 5;

/// The refusals of the present windows. There are as many kinds as the source names.
static REFUSALS: LazyLock<Mutex<HashMap<&'static str, u64>>> = LazyLock::new(Mutex::default);

/// Counts a refusal. Returns whether it is to be logged in full.
pub fn count(kind: &'static str) -> bool {
    let Ok(runtime) = Handle::try_current() else { return true };
    let mut refusals = REFUSALS.lock().unwrap_or_else(PoisonError::into_inner);
    let counted = refusals.entry(kind).or_default();
    if *counted == 0 {
        runtime.spawn(log_sum_later(kind));
    }
    *counted += 1;
    *counted <= IN_FULL
}

/// Logs at the window's end how many refusals were not logged.
async fn log_sum_later(kind: &'static str) {
    sleep(WINDOW).await;
    let counted = REFUSALS.lock().unwrap_or_else(PoisonError::into_inner).remove(kind).unwrap_or_default();
    if let Some(more @ 1..) = counted.checked_sub(IN_FULL) {
        tracing::info!(refusal = kind, more, "… {more} more in {} s", WINDOW.as_secs());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_logged_as_a_sum() {
        for _ in 0..2 {
            let in_full = (0..1000).filter(|_| count("a flood")).count();
            assert_eq!(in_full, 5);
            assert!(count("another"), "each kind is counted by itself");
            sleep(WINDOW + Duration::from_secs(1)).await;
        }
        assert!(REFUSALS.lock().expect("no panic").is_empty(), "nothing is kept");
    }
}
