//! Plain HTTP on the port that serves TLS: answered with a sentence that says to use `https://`, where a TLS handshake
//! would only close the connection.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::http::raw_answer::RawAnswer;
use crate::http::refusal_log;

/// How long the head of a plain request may take to arrive. It is answered without the rest of it after that.
const HEAD_TIMEOUT: Duration = Duration::from_secs(2);
/// How much of a plain request's head is searched for credentials.
const MAX_HEAD_BYTES: usize = 16 * 1024;

const USE_HTTPS: &str = "This port serves HTTPS only, and the request was sent as plain HTTP. Write https:// instead of \
                         http:// in the URL.";
const PASSWORD_SENT: &str = "It carried a user name and password in clear text, which others on the network may have \
                             read: change the password.";

/// Whether the client speaks plain HTTP. Waits for its first byte for at most `first_byte_timeout`.
pub async fn is_plain(stream: &TcpStream, first_byte_timeout: Duration) -> io::Result<bool> {
    let mut first = [0];
    let peeked = timeout(first_byte_timeout, stream.peek(&mut first)).await??;
    // A TLS record begins with a control character, a request with its method.
    Ok(peeked > 0 && first[0].is_ascii_alphabetic())
}

/// Answers a plain request and closes the connection.
pub async fn answer(
    mut connection: impl AsyncRead + AsyncWrite + Unpin,
    client: SocketAddr,
) -> io::Result<()> {
    let head = read_head(&mut connection).await;
    let has_credentials = has_authorization(&head);
    if refusal_log::count("plain HTTP") {
        tracing::info!(
            client.address = %client.ip(),
            has_credentials,
            "plain HTTP on the TLS port: answered 400"
        );
    }
    let summary = if has_credentials { format!("{USE_HTTPS} {PASSWORD_SENT}") } else { USE_HTTPS.to_owned() };
    // Not over TLS: a header that demands it would be ignored.
    let answer = RawAnswer::plain_http(summary).text(false, head.starts_with(b"HEAD "));
    connection.write_all(answer.as_bytes()).await?;
    connection.shutdown().await
}

async fn read_head(stream: impl AsyncRead + Unpin) -> Vec<u8> {
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
