//! Waiting for what can be observed, in place of sleeping for hope.

use std::thread;
use std::time::{Duration, Instant};

/// Long enough to cost nothing, short enough that nobody notices.
const PAUSE_BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// Looks until `condition` holds or `limit` has passed; says whether it held.
pub fn wait_until(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(PAUSE_BETWEEN_LOOKS);
    }
}
