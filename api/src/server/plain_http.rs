//! Plain HTTP on the port that serves TLS: answered with a sentence that says to use `https://`, where a TLS handshake
//! would only close the connection.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use axum_server::accept::Accept;
use rollcall_schema::imports::result_json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::server::lingering_close::Lingering;

/// How long the head of a plain request may take to arrive. It is answered without the rest of it after that.
const HEAD_TIMEOUT: Duration = Duration::from_secs(2);
/// How much of a plain request's head is searched for credentials.
const MAX_HEAD_BYTES: usize = 16 * 1024;

const USE_HTTPS: &str = "This port serves HTTPS only, and the request was sent as plain HTTP. Write https:// instead of \
                         http:// in the URL.";
const PASSWORD_SENT: &str = "It carried a user name and password in clear text, which others on the network may have \
                             read: change the password.";

/// Accepts connections whose first byte can be that of a TLS handshake, and answers plain HTTP.
#[derive(Debug, Clone, Copy)]
pub struct PlainHttpAcceptor<A> {
    inner: A,
    /// How long a client may take to send its first byte.
    first_byte_timeout: Duration,
}

impl<A> PlainHttpAcceptor<A> {
    pub fn new(inner: A, first_byte_timeout: Duration) -> Self {
        Self { inner, first_byte_timeout }
    }
}

impl<A, S> Accept<TcpStream, S> for PlainHttpAcceptor<A>
where
    A: Accept<TcpStream, S> + Clone + Send + 'static,
    A::Future: Send,
    S: Send + 'static,
{
    type Stream = A::Stream;
    type Service = A::Service;
    type Future = Pin<Box<dyn Future<Output = io::Result<(A::Stream, A::Service)>> + Send>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let Self { inner, first_byte_timeout } = self.clone();
        Box::pin(async move {
            let mut first = [0];
            let peeked = timeout(first_byte_timeout, stream.peek(&mut first)).await;
            let peeked = peeked.map_err(|elapsed| io::Error::new(io::ErrorKind::TimedOut, elapsed))??;
            // A TLS record begins with a control character, a request with its method.
            if peeked > 0 && first[0].is_ascii_alphabetic() {
                let client = stream.peer_addr().ok();
                answer(stream, client).await?;
                return Err(io::Error::new(io::ErrorKind::InvalidData, "plain HTTP on the TLS port"));
            }
            inner.accept(stream, service).await
        })
    }
}

/// Answers a plain request and closes the connection.
async fn answer(mut stream: TcpStream, client: Option<SocketAddr>) -> io::Result<()> {
    let head = read_head(&mut stream).await;
    let has_credentials = has_authorization(&head);
    tracing::info!(
        client.address = client.map(|client| tracing::field::display(client.ip())),
        has_credentials,
        "plain HTTP on the TLS port: answered 400"
    );
    let mut connection = Lingering::new(stream);
    connection.write_all(response(&head, has_credentials).as_bytes()).await?;
    connection.shutdown().await
}

async fn read_head(stream: &mut TcpStream) -> Vec<u8> {
    let mut head = Vec::new();
    let read = async {
        let mut stream = stream.take(MAX_HEAD_BYTES as u64);
        while !ends_with_blank_line(&head) && stream.read_buf(&mut head).await? > 0 {}
        io::Result::Ok(())
    };
    // What has arrived is enough for an answer.
    let _ = timeout(HEAD_TIMEOUT, read).await;
    head
}

/// Whether a blank line was read. A body may follow it.
fn ends_with_blank_line(head: &[u8]) -> bool {
    head.split_inclusive(|&byte| byte == b'\n').skip(1).any(|line| matches!(line, b"\n" | b"\r\n"))
}

fn has_authorization(head: &[u8]) -> bool {
    head.split(|&byte| byte == b'\n')
        .take_while(|line| !line.trim_ascii_end().is_empty())
        .any(|line| line.get(..14).is_some_and(|name| name.eq_ignore_ascii_case(b"authorization:")))
}

fn response(head: &[u8], has_credentials: bool) -> String {
    let summary = if has_credentials { format!("{USE_HTTPS} {PASSWORD_SENT}") } else { USE_HTTPS.to_owned() };
    let body = result_json::failure(&summary);
    let head_only = head.starts_with(b"HEAD ");
    format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: {}\r\ncache-control: no-store\r\n\
         connection: close\r\n\r\n{}",
        body.len(),
        if head_only { "" } else { &body }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_found_in_the_head_only() {
        for (head, expected) in [
            (&b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Basic x\r\n\r\n"[..], true),
            (b"GET / HTTP/1.1\r\nAUTHORIZATION: Basic x\r\n", true),
            (b"GET / HTTP/1.1\r\nHost: x\r\n\r\nAuthorization: Basic x\r\n", false),
            (b"GET / HTTP/1.1\r\nX-Authorization: Basic x\r\n\r\n", false),
            (b"", false),
        ] {
            assert_eq!(has_authorization(head), expected, "{}", String::from_utf8_lossy(head));
        }
    }

    #[test]
    fn a_head_ends_with_a_blank_line() {
        for (head, expected) in [
            (&b"GET / HTTP/1.1\r\n\r\n"[..], true),
            (b"GET / HTTP/1.1\r\nHost: x\r\n\r\nbody", true),
            (b"GET /\n\n", true),
            (b"GET / HTTP/1.1\r\n\r", false),
            (b"GET / HTTP/1.1\r\nHost: x\r\n", false),
            (b"", false),
        ] {
            assert_eq!(ends_with_blank_line(head), expected, "{}", String::from_utf8_lossy(head));
        }
    }
}
