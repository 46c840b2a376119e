//! A connection on which a test writes bytes as it likes: what no decent client would send.

use std::io;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::answer::Answer;
use crate::harness::stack::{ADMINISTRATOR, PASSWORD, Stack};

/// How long an answer, or the connection's end, is waited for.
const PATIENCE: Duration = Duration::from_mins(1);

/// A TCP connection to the API.
#[derive(Debug)]
pub struct RawConnection {
    stream: BufReader<TcpStream>,
}

impl RawConnection {
    /// Connects to a stack's API.
    pub async fn open(stack: &Stack) -> Self {
        let stream =
            TcpStream::connect(("127.0.0.1", stack.port())).await.expect("the API takes connections");
        stream.set_nodelay(true).expect("a TCP connection can be told so");
        Self { stream: BufReader::new(stream) }
    }

    /// Sends bytes as they are.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).await.expect("the API takes what is sent");
    }

    /// Sends bytes as they are, unless the API has closed the connection.
    pub async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        timeout(PATIENCE, self.stream.get_mut().write_all(bytes.as_ref())).await.expect("the API reads")
    }

    /// Says that nothing more will be sent.
    pub async fn half_close(&mut self) -> io::Result<()> {
        self.stream.get_mut().shutdown().await
    }

    /// Reads one answer to its end. One with a status from 100 to 199 has no body, and another follows.
    pub async fn answer(&mut self) -> Answer {
        timeout(PATIENCE, self.read_answer()).await.expect("an answer comes").expect("an answer is whole")
    }

    /// Reads the answer, if the API does not close the connection without one.
    pub async fn answer_or_end(&mut self) -> Option<Answer> {
        timeout(PATIENCE, self.read_answer()).await.expect("an answer or the end comes").ok()
    }

    /// Reads whatever comes until the API closes the connection.
    pub async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // A connection that is reset has ended too.
        let _ = timeout(PATIENCE, self.stream.read_to_end(&mut rest)).await.expect("the API closes it");
        rest
    }

    /// Reads a chunk of a chunked body; an empty one is the last.
    pub async fn chunk(&mut self) -> Vec<u8> {
        timeout(PATIENCE, self.read_chunk()).await.expect("a chunk comes").expect("a chunk is whole")
    }

    /// Reads an answer's status line and headers.
    pub async fn head(&mut self) -> (u16, HeaderMap) {
        timeout(PATIENCE, self.read_head()).await.expect("an answer comes").expect("an answer has a head")
    }

    async fn read_answer(&mut self) -> io::Result<Answer> {
        let (status, headers) = self.read_head().await?;
        let is_chunked = headers.get("transfer-encoding").is_some_and(|value| value == "chunked");
        let length = headers.get("content-length").and_then(|value| value.to_str().ok()?.parse().ok());
        let mut body = Vec::new();
        match length {
            _ if (100..200).contains(&status) || status == 204 => {}
            _ if is_chunked => loop {
                let chunk = self.read_chunk().await?;
                if chunk.is_empty() {
                    break;
                }
                body.extend(chunk);
            },
            Some(length) => {
                body = vec![0; length];
                self.stream.read_exact(&mut body).await?;
            }
            None => {
                self.stream.read_to_end(&mut body).await?;
            }
        }
        Ok(Answer { status, headers, body })
    }

    async fn read_head(&mut self) -> io::Result<(u16, HeaderMap)> {
        let status = self.read_line().await?;
        let code = status.split(' ').nth(1).and_then(|code| code.parse().ok());
        let code = code.unwrap_or_else(|| panic!("a status line: {status:?}"));
        let mut headers = HeaderMap::new();
        loop {
            let line = self.read_line().await?;
            let Some((name, value)) = line.trim_end().split_once(':') else { return Ok((code, headers)) };
            headers.append(
                HeaderName::from_bytes(name.as_bytes()).expect("a header's name"),
                HeaderValue::from_str(value.trim()).expect("a header's value"),
            );
        }
    }

    async fn read_chunk(&mut self) -> io::Result<Vec<u8>> {
        let size = self.read_line().await?;
        let size = usize::from_str_radix(size.trim_end(), 16)
            .unwrap_or_else(|error| panic!("a chunk's size: {error}: {size:?}"));
        let mut chunk = vec![0; size];
        self.stream.read_exact(&mut chunk).await?;
        self.read_line().await?;
        Ok(chunk)
    }

    async fn read_line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        match self.stream.read_line(&mut line).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(line),
        }
    }
}

/// The value of an `Authorization` header.
pub fn basic(username: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{username}:{password}")))
}

/// The head of an upload to `path` by the administrator, but for the headers of its body's length and the empty line.
pub fn upload_head(path: &str, content_type: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: rollcall.test\r\nAuthorization: {}\r\nContent-Type: {content_type}\r\n",
        basic(ADMINISTRATOR, PASSWORD)
    )
}
