//! Draining request bodies. If the server closed the connection while the client is still sending, the client would
//! see a broken connection instead of the error response. So the rest of the body is read first, within bounds.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::extract::{Request, State};
use axum::http::header::{CONNECTION, EXPECT};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use futures_util::StreamExt as _;
use http_body::{Frame, SizeHint};
use tokio::time::timeout;

/// How long the rest of a body may take to arrive.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the client may pause. One that sends nothing is waiting for the response already.
const IDLE_TIMEOUT: Duration = Duration::from_secs(1);

/// How much of a body is discarded at most.
#[derive(Debug, Clone, Copy)]
pub struct DrainLimit {
    pub bytes: u64,
}

/// The middleware that surrounds the handlers and their log: discards what the handler has left unread of the body before the response is sent.
pub async fn drain_body(State(limit): State<DrainLimit>, request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let expects_continue = expects_continue(request.headers());
    let shared = SharedBody::default();
    let request = request.map(|body| shared.lend(body));
    let mut response = next.run(request).await;
    let Some(unread) = shared.take() else { return response };
    let headers = response.headers_mut();
    // The client sends the body only after a 100 Continue, which the first read would send.
    let never_continued = expects_continue && !unread.started;
    if !never_continued && !headers.contains_key(CONNECTION) && discard(unread.body, limit.bytes).await {
        return response;
    }
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

fn expects_continue(headers: &HeaderMap) -> bool {
    headers.get(EXPECT).is_some_and(|expected| expected.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// Returns whether the body was read to its end.
async fn discard(body: Body, mut bytes: u64) -> bool {
    let read = async {
        let mut frames = body.into_data_stream();
        loop {
            let frame = match timeout(IDLE_TIMEOUT, frames.next()).await {
                Ok(Some(Ok(frame))) => frame,
                Ok(None) => return true,
                Ok(Some(Err(_))) | Err(_) => return false,
            };
            let Some(left) = bytes.checked_sub(frame.len() as u64) else { return false };
            bytes = left;
        }
    };
    timeout(DRAIN_TIMEOUT, read).await.unwrap_or(false)
}

/// A request's body, shared by this middleware and the handler.
#[derive(Clone, Default)]
struct SharedBody(Arc<Mutex<Option<Unread>>>);

struct Unread {
    body: Body,
    /// Whether the handler has begun to read it.
    started: bool,
}

impl SharedBody {
    fn lend(&self, body: Body) -> Body {
        self.with(|unread| *unread = Some(Unread { body, started: false }));
        Body::new(HandlerBody(self.clone()))
    }

    /// Takes the body back, unless all of it was read.
    fn take(&self) -> Option<Unread> {
        self.with(Option::take).filter(|unread| !unread.body.is_end_stream())
    }

    fn with<T>(&self, access: impl FnOnce(&mut Option<Unread>) -> T) -> T {
        access(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The body that the handler reads. Dropping it leaves the rest in the [`SharedBody`].
struct HandlerBody(SharedBody);

impl http_body::Body for HandlerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.0.with(|shared| {
            let Some(unread) = shared else { return Poll::Ready(None) };
            unread.started = true;
            let polled = Pin::new(&mut unread.body).poll_frame(cx);
            if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
                *shared = None;
            }
            polled
        })
    }

    fn is_end_stream(&self) -> bool {
        self.0.with(|shared| shared.as_ref().is_none_or(|unread| unread.body.is_end_stream()))
    }

    fn size_hint(&self) -> SizeHint {
        self.0.with(|shared| {
            shared.as_ref().map_or_else(|| SizeHint::with_exact(0), |unread| unread.body.size_hint())
        })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    fn body(frames: usize) -> Body {
        Body::from_stream(stream::iter(
            (0..frames).map(|_| Ok::<_, axum::Error>(Bytes::from_static(b"12345"))),
        ))
    }

    #[tokio::test]
    async fn the_unread_rest_is_kept() {
        let shared = SharedBody::default();
        let mut lent = shared.lend(body(3)).into_data_stream();
        assert!(lent.next().await.is_some());
        drop(lent);
        let unread = shared.take().expect("two frames");
        assert!(unread.started);
        assert_eq!(unread.body.into_data_stream().count().await, 2);
    }

    #[tokio::test]
    async fn nothing_is_kept_of_a_body_that_was_read() {
        let shared = SharedBody::default();
        assert_eq!(shared.lend(body(3)).into_data_stream().count().await, 3);
        assert!(shared.take().is_none());
    }

    #[tokio::test]
    async fn no_more_is_discarded_than_the_limit() {
        assert!(discard(body(3), 15).await);
        assert!(!discard(body(3), 14).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stalls_times_out() {
        assert!(!discard(Body::from_stream(stream::pending::<Result<Bytes, axum::Error>>()), 15).await);
    }
}
