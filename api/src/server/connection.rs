//! One connection: TLS, then one request after another, until the client, a time limit or a shutdown ends it.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::http::StatusCode;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::http::raw_answer::RawAnswer;
use crate::http::refusal_log;
use crate::server::connections::{Activity, Place};
use crate::server::hyper_answers::{Exchange, HyperAnswers};
use crate::server::lingering_close::Lingering;
use crate::server::plain_http;
use crate::server::stall_guard::StallGuard;

/// How long a client may take to begin a TLS handshake, and then to complete it.
const TLS_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// The buffer of a connection. Limits the size of a request's head, and how much of a body is read at once.
const MAX_BUFFER_BYTES: usize = 16 * 1024;
/// How long the last answer of a connection and its orderly close may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection beyond the limit may take to be told so.
const REFUSE_TIMEOUT: Duration = Duration::from_secs(5);

/// What every connection shares.
pub struct ConnectionServer {
    /// The TLS configuration in use, or `None` where a proxy does TLS.
    pub tls: Option<watch::Receiver<Arc<ServerConfig>>>,
    pub router: Router,
    /// How long a client may take to send a request's head, and to start the next request on a connection.
    pub head_limit: Duration,
    /// The longest time for which a client may read nothing of what is sent to it.
    pub stall_limit: Duration,
    /// Cancelled when connections are to close after the request being served.
    pub draining: CancellationToken,
    /// Cancelled when connections are to close at once.
    pub stopped: CancellationToken,
}

type Socket = Lingering<StallGuard<TcpStream>>;

impl ConnectionServer {
    /// Serves a connection to its end.
    pub async fn serve(&self, stream: TcpStream, client: SocketAddr, place: Place) {
        tokio::select! {
            biased;
            () = self.stopped.cancelled() => {}
            () = place.activity().evicted() => {
                if refusal_log::count("connection evicted") {
                    tracing::info!(client.address = %client.ip(), "closed an idle connection to make room for another");
                }
            }
            // The client is gone, or spoke no TLS: nothing is left to answer.
            _ = self.serve_to_end(stream, client, place.activity()) => {}
        }
    }

    async fn serve_to_end(
        &self,
        stream: TcpStream,
        client: SocketAddr,
        activity: &Activity,
    ) -> io::Result<()> {
        let Some(config) = self.config() else {
            return self.serve_http(self.socket(stream)?, client, activity).await;
        };
        if plain_http::is_plain(&stream, TLS_HANDSHAKE_TIMEOUT).await? {
            return plain_http::answer(self.socket(stream)?, client).await;
        }
        let handshake = TlsAcceptor::from(config).accept(self.socket(stream)?);
        let stream = timeout(TLS_HANDSHAKE_TIMEOUT, handshake).await??;
        self.serve_http(stream, client, activity).await
    }

    /// Tells a client that there is no room for its connection.
    pub async fn refuse(&self, stream: TcpStream) {
        let answer = RawAnswer::too_many_connections().text(self.tls.is_some(), false);
        let refused = async {
            let socket = self.socket(stream)?;
            match self.config() {
                None => send(socket, &answer).await,
                Some(config) => send(TlsAcceptor::from(config).accept(socket).await?, &answer).await,
            }
        };
        // A client that does not take the answer goes without.
        let _ = timeout(REFUSE_TIMEOUT, refused).await;
    }

    fn config(&self) -> Option<Arc<ServerConfig>> {
        self.tls.as_ref().map(|config| Arc::clone(&config.borrow()))
    }

    fn socket(&self, stream: TcpStream) -> io::Result<Socket> {
        // Nagle's algorithm would hold heartbeats and small responses back.
        stream.set_nodelay(true)?;
        Ok(Lingering::new(StallGuard::new(stream, self.stall_limit)))
    }

    async fn serve_http<S>(&self, stream: S, client: SocketAddr, activity: &Activity) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let exchange = Exchange::default();
        let io = TokioIo::new(HyperAnswers::new(stream, exchange.clone()));
        let service = service_fn(|request: Request<Incoming>| {
            let serving = Serving::begin(activity, &exchange);
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(client));
            let router = self.router.clone();
            Box::pin(async move {
                let response = router.oneshot(request).await?;
                Ok::<_, std::convert::Infallible>(
                    response.map(|body| Body::new(ServedBody { body, _serving: serving })),
                )
            })
        });
        let mut connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.head_limit)
            .max_buf_size(MAX_BUFFER_BYTES)
            .serve_connection(io, service);
        let mut draining = false;
        let served = loop {
            tokio::select! {
                biased;
                served = poll_fn(|cx| connection.poll_without_shutdown(cx)) => break served,
                () = self.draining.cancelled(), if !draining => {
                    draining = true;
                    Pin::new(&mut connection).graceful_shutdown();
                }
            }
        };
        let parts = connection.into_parts();
        let (stream, withheld) = parts.io.into_inner().into_parts();
        let Err(error) = served else { return close(stream).await };
        let between = exchange.is_between();
        let unread = parts.read_buf;
        match refusal(&error, withheld, between && !unread.is_empty()) {
            Some(answer) => {
                let span = tracing::info_span!(
                    "request",
                    otel.kind = "server",
                    http.response.status_code = answer.status.as_u16(),
                    client.address = %client.ip()
                );
                let text = span.in_scope(|| {
                    if refusal_log::count(answer.kind) {
                        tracing::info!(
                            status = answer.status.as_u16(),
                            "refused a request that cannot be read: {}",
                            answer.kind
                        );
                    }
                    answer.text(self.tls.is_some(), false)
                });
                send(stream, &text).await
            }
            // An idle connection whose time is over.
            None if error.is_timeout() => close(stream).await,
            // The connection failed, or its client is gone.
            None => Ok(()),
        }
    }
}

/// The answer to a request whose head could not be read. `withheld` is the status that hyper chose, `begun` whether a
/// part of the head has arrived.
fn refusal(error: &hyper::Error, withheld: Option<StatusCode>, begun: bool) -> Option<RawAnswer> {
    match withheld {
        Some(_) => Some(RawAnswer::unreadable(withheld)),
        None if error.is_parse_version_h2() => Some(RawAnswer::wrong_version()),
        None if error.is_timeout() && begun => Some(RawAnswer::head_timed_out()),
        None if error.is_incomplete_message() && begun => Some(RawAnswer::unreadable(None)),
        None => None,
    }
}

/// Sends a last answer and closes the connection.
async fn send(mut stream: impl AsyncWrite + Unpin, answer: &str) -> io::Result<()> {
    timeout(CLOSE_TIMEOUT, async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await
    })
    .await?
}

async fn close(mut stream: impl AsyncWrite + Unpin) -> io::Result<()> {
    timeout(CLOSE_TIMEOUT, stream.shutdown()).await?
}

/// A request from its head to the end of its response.
struct Serving {
    activity: Activity,
    exchange: Exchange,
}

impl Serving {
    fn begin(activity: &Activity, exchange: &Exchange) -> Self {
        activity.begin();
        exchange.begin();
        Self { activity: activity.clone(), exchange: exchange.clone() }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.exchange.end();
        self.activity.finish();
    }
}

/// A response's body, with which the request ends.
struct ServedBody {
    body: Body,
    _serving: Serving,
}

impl http_body::Body for ServedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
