//! A TCP connection to the API on which a test writes arbitrary bytes, as no well-behaved client would.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::answer::Answer;
use crate::harness::stack::{ADMINISTRATOR, PASSWORD, Stack};

/// How long to wait for an answer or for the end of the connection.
const TIMEOUT: Duration = Duration::from_mins(1);

#[derive(Debug)]
pub struct RawConnection {
    stream: BufReader<TcpStream>,
}

impl RawConnection {
    pub async fn open(stack: &Stack) -> Self {
        Self::open_from(stack, "127.0.0.1").await
    }

    /// Opens a connection from one of the machine's loopback addresses.
    pub async fn open_from(stack: &Stack, address: &str) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket can be created");
        let address: IpAddr = address.parse().expect("an address");
        socket.bind(SocketAddr::new(address, 0)).expect("every loopback address can be used");
        let api = SocketAddr::from(([127, 0, 0, 1], stack.port()));
        let stream = socket.connect(api).await.expect("the API accepts connections");
        stream.set_nodelay(true).expect("the option can be set on a TCP connection");
        Self { stream: BufReader::new(stream) }
    }

    /// Sends bytes as they are.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).await.expect("the API reads what is sent");
    }

    /// Sends bytes as they are. Fails if the API has closed the connection.
    pub async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        timeout(TIMEOUT, self.stream.get_mut().write_all(bytes.as_ref())).await.expect("the API reads")
    }

    /// Closes the sending direction.
    pub async fn half_close(&mut self) -> io::Result<()> {
        self.stream.get_mut().shutdown().await
    }

    /// Reads one answer in full. An answer with a status from 100 to 199 has no body and is followed by another.
    pub async fn answer(&mut self) -> Answer {
        timeout(TIMEOUT, self.read_answer())
            .await
            .expect("an answer arrives")
            .expect("an answer arrives in full")
    }

    /// Reads an answer, or returns `None` if the API closes the connection first.
    pub async fn answer_or_end(&mut self) -> Option<Answer> {
        timeout(TIMEOUT, self.read_answer())
            .await
            .expect("an answer or the end of the connection arrives")
            .ok()
    }

    /// Reads until the API closes the connection.
    pub async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // A reset ends the connection as well.
        let _ = timeout(TIMEOUT, self.stream.read_to_end(&mut rest)).await.expect("the API closes it");
        rest
    }

    /// Reads one byte.
    pub async fn byte(&mut self) -> u8 {
        timeout(TIMEOUT, self.stream.read_u8())
            .await
            .expect("a byte arrives")
            .expect("the connection is open")
    }

    /// Reads a chunk of a chunked body. The last one is empty.
    pub async fn chunk(&mut self) -> Vec<u8> {
        timeout(TIMEOUT, self.read_chunk()).await.expect("a chunk arrives").expect("a chunk arrives in full")
    }

    /// Reads the status line and the headers of an answer.
    pub async fn head(&mut self) -> (u16, HeaderMap) {
        timeout(TIMEOUT, self.read_head()).await.expect("an answer arrives").expect("an answer has a head")
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

/// The head of the administrator's upload to `path`, without the header that gives the body's length and the empty line.
pub fn upload_head(path: &str, content_type: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: rollcall.test\r\nAuthorization: {}\r\nContent-Type: {content_type}\r\n",
        basic(ADMINISTRATOR, PASSWORD)
    )
}
