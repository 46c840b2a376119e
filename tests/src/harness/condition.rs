//! Waiting for a condition.

use std::time::{Duration, Instant};

/// How long a condition may take to come true.
const TIMEOUT: Duration = Duration::from_mins(1);

/// Polls `check` until it returns a value, and returns that. Panics after a minute.
pub async fn eventually<T>(what: &str, mut check: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        if let Some(value) = check().await {
            return value;
        }
        assert!(Instant::now() < deadline, "timed out waiting until {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
