//! Patience with the servers: one that is away for a while costs seconds, and is not asked in a loop meanwhile.

use std::time::{Duration, Instant};

use rollcall_schema::database::DatabaseError;
use tokio_util::sync::CancellationToken;

/// The pause after the first failure of the broker; doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// See [`FIRST_PAUSE`].
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How long a database that fails is asked again, and how often: far less than RabbitMQ lets a delivery wait for its
/// acknowledgement.
const DATABASE_PATIENCE: Duration = Duration::from_mins(1);
/// See [`DATABASE_PATIENCE`].
const DATABASE_PAUSE: Duration = Duration::from_millis(500);

/// The pause before a consumer goes back to a broker that failed it. It grows with each failure.
pub struct Pause(Duration);

impl Default for Pause {
    fn default() -> Self {
        Self(FIRST_PAUSE)
    }
}

impl Pause {
    /// How long the next one is.
    pub fn length(&self) -> Duration {
        self.0
    }

    /// The broker works: the next pause is short again.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    /// Pauses, or until `stop`.
    pub async fn wait(&mut self, stop: &CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(self.0) => {}
        }
        self.0 = (self.0 * 2).min(LONGEST_PAUSE);
    }
}

/// Asks the database, and a database that fails again for a while, so that one that restarts costs seconds. `None`: it
/// failed all that time, or until `stop`.
pub async fn ask<T, Question>(stop: &CancellationToken, question: impl Fn() -> Question) -> Option<T>
where
    Question: Future<Output = Result<T, DatabaseError>>,
{
    let given_up = Instant::now() + DATABASE_PATIENCE;
    loop {
        match question().await {
            Ok(answer) => return Some(answer),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the database could not be asked");
            }
        }
        if stop.is_cancelled() || Instant::now() >= given_up {
            return None;
        }
        tokio::time::sleep(DATABASE_PAUSE).await;
    }
}
