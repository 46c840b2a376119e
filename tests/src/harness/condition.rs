//! Waiting for what must come to be.

use std::time::{Duration, Instant};

/// How long it may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// Looks again and again until there is something to see, and returns it.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let given_up = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(Instant::now() < given_up, "it never came to be that {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
