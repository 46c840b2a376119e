//! A request's body as frames, bounded in time and in what may precede the file.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::time::timeout;

/// Bytes that may precede the file: other fields of the form, or a body in which the boundary never comes.
pub(super) const MAX_BYTES_BEFORE_FILE: u64 = 1024 * 1024;

/// Why the body ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyError {
    /// No data arrived for this long.
    Stalled(Duration),
    /// More than [`MAX_BYTES_BEFORE_FILE`] arrived before the file.
    NoFile,
    /// The connection was lost.
    Disconnected,
}

/// The frames of a body. Each is read when it is asked for, so that a client cannot be faster than the store.
pub(super) struct BodyFrames {
    frames: BodyDataStream,
    /// The longest time between two frames.
    idle: Duration,
    file_found: bool,
    bytes: u64,
}

impl BodyFrames {
    pub(super) fn new(body: Body, idle: Duration) -> Self {
        Self { frames: body.into_data_stream(), idle, file_found: false, bytes: 0 }
    }

    /// The next frame, or `None` at the end of the body.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        if !self.file_found && self.bytes > MAX_BYTES_BEFORE_FILE {
            return Err(BodyError::NoFile);
        }
        match timeout(self.idle, self.frames.next()).await {
            Ok(Some(Ok(frame))) => {
                self.bytes += frame.len() as u64;
                Ok(Some(frame))
            }
            Ok(Some(Err(_))) => Err(BodyError::Disconnected),
            Ok(None) => Ok(None),
            Err(_) => Err(BodyError::Stalled(self.idle)),
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

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stalls_times_out() {
        let body = Body::from_stream(stream::pending::<Result<Bytes, axum::Error>>());
        let mut frames = BodyFrames::new(body, Duration::from_mins(1));
        assert_eq!(frames.next().await, Err(BodyError::Stalled(Duration::from_mins(1))));
    }
}
