//! A request's body as frames, bounded in time and in what may precede the file.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::time::{Instant, timeout};

/// Bytes that may precede the file: other fields of the form, or a body in which the boundary never comes.
pub(super) const MAX_BYTES_BEFORE_FILE: u64 = 1024 * 1024;

/// Why the body ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyError {
    /// No data arrived for this long.
    Stalled(Duration),
    /// Less than this many bytes a second arrived, for longer than the grace time.
    TooSlow(u64),
    /// More than [`MAX_BYTES_BEFORE_FILE`] arrived before the file.
    NoFile,
    /// The connection was lost.
    Disconnected,
}

/// How fast a body must arrive. Only the time counts in which the service waits for the client.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// The longest time between two frames.
    pub idle: Duration,
    /// The average that the client must keep, in bytes a second; 0 for none.
    pub min_bytes_per_second: u64,
    /// The time by which it may lag that average.
    pub grace: Duration,
}

/// The frames of a body. Each is read when it is asked for, so that a client cannot be faster than the store.
pub(super) struct BodyFrames {
    frames: BodyDataStream,
    pace: Pace,
    /// The time that the client may still take. Bytes add to it what they may take, up to the grace time: a large piece
    /// buys no long pause.
    credit: Duration,
    file_found: bool,
    bytes: u64,
}

impl BodyFrames {
    pub(super) fn new(body: Body, pace: Pace) -> Self {
        Self { frames: body.into_data_stream(), pace, credit: pace.grace, file_found: false, bytes: 0 }
    }

    /// The next frame, or `None` at the end of the body.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        if !self.file_found && self.bytes > MAX_BYTES_BEFORE_FILE {
            return Err(BodyError::NoFile);
        }
        let Pace { idle, min_bytes_per_second: rate, grace } = self.pace;
        let limit = if rate == 0 { idle } else { idle.min(self.credit) };
        let waiting = Instant::now();
        match timeout(limit, self.frames.next()).await {
            Ok(Some(Ok(frame))) => {
                let bytes = frame.len() as u64;
                self.bytes += bytes;
                if let Some(milliseconds) = (bytes * 1000).checked_div(rate) {
                    let left = self.credit.saturating_sub(waiting.elapsed());
                    self.credit = grace.min(left + Duration::from_millis(milliseconds));
                }
                Ok(Some(frame))
            }
            Ok(Some(Err(_))) => Err(BodyError::Disconnected),
            Ok(None) => Ok(None),
            Err(_) if limit == idle => Err(BodyError::Stalled(idle)),
            Err(_) => Err(BodyError::TooSlow(rate)),
        }
    }

    /// Says that the file has begun: what follows may be as large as the tenant's limit.
    pub(super) fn found_file(&mut self) {
        self.file_found = true;
    }

    /// Bytes read so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Reads and discards at most `bytes`.
    pub(super) async fn discard(&mut self, mut bytes: u64) {
        while let Ok(Some(frame)) = self.next().await {
            let Some(left) = bytes.checked_sub(frame.len() as u64) else { return };
            bytes = left;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    const PACE: Pace =
        Pace { idle: Duration::from_mins(1), min_bytes_per_second: 1024, grace: Duration::from_mins(1) };

    /// A body of pieces of this many bytes, one after each pause.
    fn body(bytes: usize, pause: Duration) -> Body {
        Body::from_stream(stream::repeat(()).then(move |()| async move {
            tokio::time::sleep(pause).await;
            Ok::<_, axum::Error>(Bytes::from(vec![0; bytes]))
        }))
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_must_keep_its_pace() {
        let second = Duration::from_secs(1);
        for (bytes, pause, seconds) in [
            // A modem, and a line that is away for half a minute at a time.
            (4096, second, None),
            (100_000, 30 * second, None),
            (1024, second, None),
            // Slow from the first byte on: the grace time.
            (1, 2 * second, Some(60)),
            // Half of what it must be.
            (512, second, Some(120)),
            // Pieces that are large enough, and pauses that are too long.
            (100_000, 59 * second, None),
        ] {
            let mut frames = BodyFrames::new(body(bytes, pause), PACE);
            frames.found_file();
            let started = Instant::now();
            let error = loop {
                match frames.next().await {
                    Ok(_) if started.elapsed() > Duration::from_hours(1) => break None,
                    Ok(_) => {}
                    Err(error) => break Some((error, started.elapsed().as_secs())),
                }
            };
            match seconds {
                None => assert_eq!(error, None, "{bytes} bytes every {pause:?}"),
                Some(expected) => {
                    let (error, after) = error.expect("it is too slow");
                    assert_eq!(error, BodyError::TooSlow(1024));
                    assert!(after.abs_diff(expected) <= 2, "{bytes} bytes every {pause:?}: {after} s");
                }
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stalls_times_out() {
        let body = Body::from_stream(stream::pending::<Result<Bytes, axum::Error>>());
        let mut frames = BodyFrames::new(body, PACE);
        assert_eq!(frames.next().await, Err(BodyError::Stalled(Duration::from_mins(1))));
    }
}
