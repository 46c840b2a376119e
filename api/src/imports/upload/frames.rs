//! A request's body as a stream of frames that the multipart parser reads, bounded in time and in what may precede
//! the file.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use tokio::time::{Instant, Sleep};

/// Bytes that may precede the file: other fields of the form, or a body in which the boundary never comes.
pub(super) const MAX_BYTES_BEFORE_FILE: u64 = 1024 * 1024;

/// Why the body ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    #[error("timed out after {} s without data", .0.as_secs())]
    Stalled(Duration),
    #[error("no file within the first {MAX_BYTES_BEFORE_FILE} bytes")]
    NoFile,
    #[error("connection lost")]
    Disconnected,
}

/// The frames of a body, read no faster than the parser's reader stores them.
pub(super) struct BodyFrames {
    body: Body,
    idle: Duration,
    timer: Pin<Box<Sleep>>,
    /// Whether the timer is running.
    waiting: bool,
    /// Whether the parser has yielded since the last frame.
    yielded: bool,
    file_found: Arc<AtomicBool>,
    bytes_before_file: u64,
}

impl BodyFrames {
    /// `idle` is the longest time between two frames. `file_found` is set by the reader when it has come to the file.
    pub(super) fn new(body: Body, idle: Duration, file_found: Arc<AtomicBool>) -> Self {
        Self {
            body,
            idle,
            timer: Box::pin(tokio::time::sleep(idle)),
            waiting: false,
            yielded: true,
            file_found,
            bytes_before_file: 0,
        }
    }

    /// Reads and discards at most `bytes`.
    pub(super) async fn discard(&mut self, mut bytes: u64) {
        while let Some(Ok(frame)) = self.next().await {
            let Some(left) = bytes.checked_sub(frame.len() as u64) else { return };
            bytes = left;
        }
    }
}

impl Stream for BodyFrames {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // The parser reads for as long as frames are ready before it passes anything on. If the client is faster than
        // the store it would read the whole file into memory. So this returns `Pending` once after each frame.
        if !self.yielded {
            self.yielded = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        loop {
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    self.waiting = false;
                    let Ok(data) = frame.into_data() else { continue };
                    if !self.file_found.load(Ordering::Relaxed) {
                        if self.bytes_before_file > MAX_BYTES_BEFORE_FILE {
                            return Poll::Ready(Some(Err(BodyError::NoFile)));
                        }
                        self.bytes_before_file += data.len() as u64;
                    }
                    self.yielded = false;
                    return Poll::Ready(Some(Ok(data)));
                }
                Poll::Ready(Some(Err(_))) => return Poll::Ready(Some(Err(BodyError::Disconnected))),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => {
                    if !self.waiting {
                        self.waiting = true;
                        let deadline = Instant::now() + self.idle;
                        self.timer.as_mut().reset(deadline);
                    }
                    return self.timer.as_mut().poll(cx).map(|()| Some(Err(BodyError::Stalled(self.idle))));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stalls_times_out() {
        let body = Body::from_stream(stream::pending::<Result<Bytes, BodyError>>());
        let mut frames = BodyFrames::new(body, Duration::from_mins(1), Arc::default());
        assert!(matches!(frames.next().await, Some(Err(BodyError::Stalled(_)))));
    }
}
