//! Reading what a refused request still sends. A client that is cut off while it sends sees a broken connection, not
//! the answer that tells it why; so a bounded rest is read first.

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

use crate::state::App;

/// How long the rest of a request may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it may pause: a client that sends nothing is waiting for the answer.
const PAUSE: Duration = Duration::from_secs(1);

/// The outermost middleware: what the answer left unread of the request is read and thrown away before the answer is
/// sent, within bounds.
pub async fn drain_body(State(app): State<App>, request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let expects_continue = expects_continue(request.headers());
    let rest = SharedBody::default();
    let request = request.map(|body| rest.lend(body));
    let mut response = next.run(request).await;
    let Some(unread) = rest.take() else { return response };
    let headers = response.headers_mut();
    // A client that was never told to continue sends nothing, and reading would tell it to.
    let never_continued = expects_continue && !unread.begun;
    if !never_continued
        && !headers.contains_key(CONNECTION)
        && discard(unread.body, app.limits.drain_bytes).await
    {
        return response;
    }
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

fn expects_continue(headers: &HeaderMap) -> bool {
    headers.get(EXPECT).is_some_and(|expected| expected.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// Whether all of it could be read.
async fn discard(body: Body, mut bytes: u64) -> bool {
    let read = async {
        let mut frames = body.into_data_stream();
        loop {
            let frame = match timeout(PAUSE, frames.next()).await {
                Ok(Some(Ok(frame))) => frame,
                Ok(None) => return true,
                Ok(Some(Err(_))) | Err(_) => return false,
            };
            let Some(left) = bytes.checked_sub(frame.len() as u64) else { return false };
            bytes = left;
        }
    };
    timeout(PATIENCE, read).await.unwrap_or(false)
}

/// What is left of a request's body by whoever it is lent to.
#[derive(Clone, Default)]
struct SharedBody(Arc<Mutex<Option<Unread>>>);

struct Unread {
    body: Body,
    /// Whether any of it was asked for.
    begun: bool,
}

impl SharedBody {
    fn lend(&self, body: Body) -> Body {
        self.with(|left| *left = Some(Unread { body, begun: false }));
        Body::new(HandlerBody(self.clone()))
    }

    /// What was not read; nothing if all of it was.
    fn take(&self) -> Option<Unread> {
        self.with(Option::take).filter(|left| !left.body.is_end_stream())
    }

    fn with<T>(&self, work: impl FnOnce(&mut Option<Unread>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The body as the handler has it. When it is dropped, what it did not read remains.
struct HandlerBody(SharedBody);

impl http_body::Body for HandlerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.0.with(|rest| {
            let Some(left) = rest else { return Poll::Ready(None) };
            left.begun = true;
            let polled = Pin::new(&mut left.body).poll_frame(cx);
            if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
                *rest = None;
            }
            polled
        })
    }

    fn is_end_stream(&self) -> bool {
        self.0.with(|rest| rest.as_ref().is_none_or(|left| left.body.is_end_stream()))
    }

    fn size_hint(&self) -> SizeHint {
        self.0
            .with(|rest| rest.as_ref().map_or_else(|| SizeHint::with_exact(0), |left| left.body.size_hint()))
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
    async fn what_was_not_read_is_left() {
        let rest = SharedBody::default();
        let mut loan = rest.lend(body(3)).into_data_stream();
        assert!(loan.next().await.is_some());
        drop(loan);
        let unread = rest.take().expect("two frames");
        assert!(unread.begun);
        assert_eq!(unread.body.into_data_stream().count().await, 2);
    }

    #[tokio::test]
    async fn nothing_is_left_of_what_was_read() {
        let rest = SharedBody::default();
        assert_eq!(rest.lend(body(3)).into_data_stream().count().await, 3);
        assert!(rest.take().is_none());
    }

    #[tokio::test]
    async fn no_more_is_thrown_away_than_the_limit() {
        assert!(discard(body(3), 15).await);
        assert!(!discard(body(3), 14).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stalls_is_not_waited_for() {
        assert!(!discard(Body::from_stream(stream::pending::<Result<Bytes, axum::Error>>()), 15).await);
    }
}
