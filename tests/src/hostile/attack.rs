//! The attacks.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::harness::{ADMINISTRATOR, PASSWORD, Stack, Tenant, basic};
use crate::hostile::large_result::LargeResult;

/// Between two bytes of a slow client.
const SLOW: Duration = Duration::from_millis(500);
/// Between two attempts of a client that is refused, and between two bursts of one that floods.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a client that reads nothing keeps its connection.
const UNREAD: Duration = Duration::from_secs(30);

/// What is attacked, and as whom. The attacker has an account: without one, a request is refused before its body is read.
#[derive(Debug, Clone)]
pub struct Target {
    port: u16,
    tenant: String,
    result: String,
}

impl Target {
    pub fn new(stack: &Stack, tenant: &Tenant, result: &LargeResult) -> Self {
        Self { port: stack.port(), tenant: tenant.name.clone(), result: result.path.clone() }
    }
}

/// Connections of each attack.
#[derive(Debug, Clone, Copy)]
pub struct Intensity {
    /// Send nothing.
    pub idle: usize,
    /// Send a head byte by byte.
    pub slow_heads: usize,
    /// Send an upload byte by byte.
    pub slow_bodies: usize,
    /// Ask for a large result and never read it.
    pub slow_readers: usize,
    /// Send requests one after another without reading, with garbage after them.
    pub pipelined: usize,
    /// Send heads without end.
    pub huge_heads: usize,
    /// Send chunks of a form that never has a file.
    pub endless_chunks: usize,
    /// Send line breaks in everything that an answer may echo.
    pub line_breaks: usize,
}

impl Intensity {
    pub fn connections(&self) -> usize {
        let Self {
            idle,
            slow_heads,
            slow_bodies,
            slow_readers,
            pipelined,
            huge_heads,
            endless_chunks,
            line_breaks,
        } = self;
        idle + slow_heads + slow_bodies + slow_readers + pipelined + huge_heads + endless_chunks + line_breaks
    }
}

/// How often each attack ended how: `("slow heads", "408")`.
type Outcomes = Arc<Mutex<BTreeMap<(&'static str, String), u64>>>;

fn record(outcomes: &Outcomes, attack: &'static str, outcome: String) {
    let mut outcomes = outcomes.lock().unwrap_or_else(PoisonError::into_inner);
    *outcomes.entry((attack, outcome)).or_default() += 1;
}

/// The attacking connections. They end when this is dropped.
pub struct Attackers {
    _connections: JoinSet<()>,
    outcomes: Outcomes,
}

impl Attackers {
    pub fn start(target: &Target, intensity: Intensity) -> Self {
        let outcomes = Outcomes::default();
        let mut connections = JoinSet::new();
        let target = Arc::new(target.clone());
        for (attack, count) in [
            (Attack::Idle, intensity.idle),
            (Attack::SlowHead, intensity.slow_heads),
            (Attack::SlowBody, intensity.slow_bodies),
            (Attack::SlowReader, intensity.slow_readers),
            (Attack::Pipelined, intensity.pipelined),
            (Attack::HugeHead, intensity.huge_heads),
            (Attack::EndlessChunks, intensity.endless_chunks),
            (Attack::LineBreaks, intensity.line_breaks),
        ] {
            for _ in 0..count {
                let (target, outcomes) = (Arc::clone(&target), Arc::clone(&outcomes));
                connections.spawn(async move {
                    loop {
                        let outcome = match attack.run(&target).await {
                            Ok(outcome) => outcome,
                            Err(error) => format!("{}", error.kind()),
                        };
                        record(&outcomes, attack.name(), outcome);
                        sleep(PAUSE).await;
                    }
                });
            }
        }
        Self { _connections: connections, outcomes }
    }

    /// How often each attack ended how.
    pub fn outcomes(&self) -> BTreeMap<(&'static str, String), u64> {
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[derive(Debug, Clone, Copy)]
enum Attack {
    Idle,
    SlowHead,
    SlowBody,
    SlowReader,
    Pipelined,
    HugeHead,
    EndlessChunks,
    LineBreaks,
}

impl Attack {
    fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle connections",
            Self::SlowHead => "slow heads",
            Self::SlowBody => "slow bodies",
            Self::SlowReader => "slow readers",
            Self::Pipelined => "pipelined garbage",
            Self::HugeHead => "huge heads",
            Self::EndlessChunks => "endless chunks",
            Self::LineBreaks => "line breaks",
        }
    }

    /// Attacks with one connection, and says how it ended.
    async fn run(self, target: &Target) -> io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", target.port)).await?;
        match self {
            Self::Idle => {
                let mut byte = [0];
                Ok(format!("{} bytes, closed", stream.read(&mut byte).await?))
            }
            Self::SlowHead => {
                stream.write_all(b"GET /api/import/jobs HTTP/1.1\r\nHost: x\r\nX-Slow: ").await?;
                trickle(&mut stream).await
            }
            Self::SlowBody => {
                stream.write_all(upload(target, "Content-Length: 1000000000").as_bytes()).await?;
                stream.write_all(part().as_bytes()).await?;
                trickle(&mut stream).await
            }
            Self::SlowReader => {
                stream.write_all(request("GET", &target.result, "").as_bytes()).await?;
                sleep(UNREAD).await;
                Ok("unread".to_owned())
            }
            Self::Pipelined => {
                let path = format!("/{}", "x".repeat(6_000));
                let mut requests =
                    format!("GET {path} HTTP/1.1\r\nHost: x\r\nUser-Agent: {path}\r\n\r\n").repeat(20);
                requests.push_str("\u{1}\u{2} garbage \r\n\r\n\r\n");
                let (mut reading, mut writing) = stream.split();
                let write = async {
                    writing.write_all(requests.as_bytes()).await?;
                    sleep(PAUSE).await;
                    writing.shutdown().await
                };
                let mut answers = Vec::new();
                let read = reading.read_to_end(&mut answers);
                let (_, read) = tokio::join!(write, read);
                read?;
                let answers = String::from_utf8_lossy(&answers);
                Ok(format!(
                    "{} answers, the last {}",
                    answers.matches("HTTP/1.1 ").count(),
                    last_status(&answers)
                ))
            }
            Self::HugeHead => {
                let head = format!("GET / HTTP/1.1\r\nHost: x\r\nX-Huge: {}", "x".repeat(1_000_000));
                let _ = stream.write_all(head.as_bytes()).await;
                end(&mut stream).await
            }
            Self::EndlessChunks => {
                stream.write_all(upload(target, "Transfer-Encoding: chunked").as_bytes()).await?;
                let chunks = "1;extension=x\r\nx\r\n".repeat(10);
                for _ in 0..1000 {
                    stream.write_all(chunks.as_bytes()).await?;
                    sleep(PAUSE).await;
                }
                Ok("still open".to_owned())
            }
            Self::LineBreaks => {
                let injected = "%0d%0aX-Injected:%20yes%0d%0a%0d%0a";
                let request = request(
                    "GET",
                    &format!("/api/import/jobs/{injected}?tenantId={injected}&cursor={injected}"),
                    "X-Request-Id: a\rX-Injected: yes\r\nConnection: close\r\n",
                );
                stream.write_all(request.as_bytes()).await?;
                let answer = end_in_full(&mut stream).await?;
                let injected = answer.to_ascii_lowercase().contains("x-injected");
                Ok(format!("{}{}", last_status(&answer), if injected { ", INJECTED" } else { "" }))
            }
        }
    }
}

fn request(method: &str, path: &str, headers: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\n{headers}\r\n",
        basic(ADMINISTRATOR, PASSWORD)
    )
}

fn upload(target: &Target, length: &str) -> String {
    request(
        "POST",
        &format!("/api/import/users?tenantId={}", target.tenant),
        &format!("Content-Type: multipart/form-data; boundary=XX\r\n{length}\r\n"),
    )
}

fn part() -> String {
    "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"users.csv\"\r\n\r\nusername\r\n"
        .to_owned()
}

/// Sends a byte at a time until the API answers or closes the connection.
async fn trickle(stream: &mut TcpStream) -> io::Result<String> {
    let mut first = [0];
    loop {
        match timeout(SLOW, stream.peek(&mut first)).await {
            Ok(Ok(_)) => return end(stream).await,
            Ok(Err(error)) => return Err(error),
            Err(_) => stream.write_all(b"x").await?,
        }
    }
}

/// The status of the answer that the API sends before it closes the connection.
async fn end(stream: &mut TcpStream) -> io::Result<String> {
    end_in_full(stream).await.map(|answer| last_status(&answer))
}

async fn end_in_full(stream: &mut TcpStream) -> io::Result<String> {
    let mut answer = Vec::new();
    // A reset after the answer is an end like any other.
    match stream.read_to_end(&mut answer).await {
        Err(error) if answer.is_empty() => return Err(error),
        _ => {}
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn last_status(answers: &str) -> String {
    let status = answers.rsplit("HTTP/1.1 ").next().and_then(|rest| rest.get(..3));
    let last = answers.rsplit_once("\r\n\r\n").map_or("", |(_, body)| body);
    let shape = if last.starts_with(r#"{"success":false,"summary":"#) { "" } else { ", without the body" };
    status.filter(|_| !answers.is_empty()).map_or("no answer".to_owned(), |status| format!("{status}{shape}"))
}
