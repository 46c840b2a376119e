//! Closing a connection so that the client gets to read the response: the lingering close.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// How long a client may take to close its side once the server has closed its own.
const LINGER: Duration = Duration::from_secs(2);

/// A connection that closes its sending side first and keeps reading for a while (RFC 9112, section 9.6). If it closed
/// both sides while the client is still sending, the connection would be reset, and the reset can overtake the
/// response: the client would see a broken connection instead of the 413.
#[derive(Debug)]
pub struct Lingering<S> {
    stream: S,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<S> Lingering<S> {
    pub fn new(stream: S) -> Self {
        Self { stream, deadline: None }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lingering<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Lingering<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, deadline } = &mut *self;
        let deadline = if let Some(deadline) = deadline {
            deadline
        } else {
            ready!(Pin::new(&mut *stream).poll_shutdown(cx))?;
            deadline.insert(Box::pin(sleep(LINGER)))
        };
        loop {
            if deadline.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            let mut discarded = [0; 8192];
            let mut discarded = ReadBuf::new(&mut discarded);
            // The response has been sent, so an error is as good as a close.
            match ready!(Pin::new(&mut *stream).poll_read(cx, &mut discarded)) {
                Ok(()) if !discarded.filled().is_empty() => {}
                Ok(()) | Err(_) => return Poll::Ready(Ok(())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn the_server_keeps_reading_until_the_client_closes() {
        let (server, mut client) = duplex(16);
        let mut server = Lingering::new(server);
        let client = tokio::spawn(async move {
            client.write_all(&vec![7; 100_000]).await.expect("the server keeps reading");
            let mut response = Vec::new();
            client.read_to_end(&mut response).await.expect("the response");
            response
        });
        server.write_all(b"413").await.expect("written");
        server.shutdown().await.expect("closed");
        assert_eq!(client.await.expect("no panic"), b"413");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_close_is_waited_for_briefly() {
        let (server, client) = duplex(16);
        let mut server = Lingering::new(server);
        let started = tokio::time::Instant::now();
        server.shutdown().await.expect("closed");
        assert!(started.elapsed() >= LINGER);
        drop(client);
    }
}
