//! Waiting for a condition instead of sleeping for a fixed time.

use std::thread;
use std::time::{Duration, Instant};

/// Long enough to use little processor time, short enough not to delay a start noticeably.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Polls `condition` until it is true or `limit` has passed. Returns whether it became true.
pub fn wait_until(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(POLL_INTERVAL);
    }
}
