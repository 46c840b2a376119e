//! The answers that hyper gives by itself, to a request whose head cannot be read: they have no body, and none of the
//! headers that every answer has. They are withheld here and replaced by the [connection](super::connection).

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use axum::http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Whose bytes hyper writes.
#[derive(Debug, Clone, Default)]
pub struct Exchange(Arc<AtomicU8>);

/// No request is being served, and every response was written.
const BETWEEN: u8 = 0;
/// A request is being served.
const SERVING: u8 = 1;
/// The response has ended, but hyper may hold bytes of it.
const ENDED: u8 = 2;

impl Exchange {
    pub fn begin(&self) {
        self.0.store(SERVING, Ordering::Release);
    }

    pub fn end(&self) {
        self.0.store(ENDED, Ordering::Release);
    }

    /// hyper flushes a connection only once it has written all that it holds.
    fn flushed(&self) {
        let _ = self.0.compare_exchange(ENDED, BETWEEN, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Whether no request is being served. What hyper writes then is an answer of its own.
    pub fn is_between(&self) -> bool {
        self.0.load(Ordering::Acquire) == BETWEEN
    }
}

/// A connection that withholds hyper's own answers.
#[derive(Debug)]
pub struct HyperAnswers<S> {
    stream: S,
    exchange: Exchange,
    withheld: Option<StatusCode>,
}

impl<S> HyperAnswers<S> {
    pub fn new(stream: S, exchange: Exchange) -> Self {
        Self { stream, exchange, withheld: None }
    }

    /// The connection, and the status of the answer that was withheld.
    pub fn into_parts(self) -> (S, Option<StatusCode>) {
        (self.stream, self.withheld)
    }

    /// Whether bytes that begin like this are to be withheld. hyper closes the connection after them.
    fn withholds(&mut self, bytes: &[u8]) -> bool {
        if self.withheld.is_none() && self.exchange.is_between() {
            self.withheld = bytes
                .strip_prefix(b"HTTP/1.")
                .and_then(|rest| rest.get(2..5))
                .and_then(|status| StatusCode::from_bytes(status).ok());
        }
        self.withheld.is_some()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for HyperAnswers<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for HyperAnswers<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.withholds(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.withholds(slices.first().map_or(&[], |slice| slice)) {
            return Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()));
        }
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        if polled.is_ready() {
            self.exchange.flushed();
        }
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn only_what_is_written_between_requests_is_withheld() {
        let (ours, mut client) = duplex(1024);
        let exchange = Exchange::default();
        let mut connection = HyperAnswers::new(ours, exchange.clone());
        let answer = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
        exchange.begin();
        connection.write_all(answer).await.expect("room");
        exchange.end();
        // The rest of the response, before hyper has flushed it.
        connection.write_all(answer).await.expect("room");
        connection.flush().await.expect("it is open");
        connection.write_all(answer).await.expect("it is withheld");
        let (stream, withheld) = connection.into_parts();
        assert_eq!(withheld, Some(StatusCode::BAD_REQUEST));
        drop(stream);
        let mut sent = Vec::new();
        client.read_to_end(&mut sent).await.expect("it is closed");
        assert_eq!(sent, [&answer[..], answer].concat());
    }
}
