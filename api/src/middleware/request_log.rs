//! The request log: a span and a log line for each request, and the response headers by which a client can refer to it.

use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::{Body, HttpBody as _};
use axum::extract::{ConnectInfo, MatchedPath, Request};
use axum::http::header::{CACHE_CONTROL, USER_AGENT};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use rollcall_schema::telemetry::TraceContext;
use rollcall_schema::telemetry::current_trace_id;
use tracing::field::Empty;
use tracing::{Instrument as _, Span};
use uuid::Uuid;

use crate::http::logged::{logged, logged_header};
use crate::http::refusal_log;
use crate::http::response::LoggedAs;

/// Identifies the request. Taken from the client if it sends one.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACE_ID: HeaderName = HeaderName::from_static("trace-id");
/// Maximum length of a request id sent by a client.
const MAX_REQUEST_ID_LENGTH: usize = 128;
/// Maximum length of a header that continues a client's trace, which is stored with an import and sent on. A longer one is
/// ignored; the standard demands that 512 bytes be taken.
const MAX_TRACE_LENGTH: usize = 512;

/// The middleware that gives each request its span, its log line and its response headers.
pub async fn log_request(request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    let span = server_span(&request, &id);
    trace_context(request.headers()).adopt(&span);
    let mut log = RequestLog {
        method: known_method(request.method()),
        path: logged(request.uri().path()).to_string(),
        span: span.clone(),
        started: Instant::now(),
        status: None,
        refusal: None,
        sent_bytes: 0,
        complete: false,
    };
    let (mut response, trace) =
        async { (next.run(request).await, current_trace_id()) }.instrument(span).await;

    log.responded(&response);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REQUEST_ID, id);
    if let Some(trace) = trace.and_then(|trace| HeaderValue::try_from(trace).ok()) {
        headers.insert(TRACE_ID, trace);
    }
    response.map(|body| {
        // The response to a HEAD has no body to wait for.
        log.complete = body.is_end_stream() || log.method == "HEAD";
        Body::new(LoggedBody { body, log })
    })
}

/// The client's request id if it is safe to log, else a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let is_safe = |id: &&HeaderValue| {
        let id = id.as_bytes();
        (1..=MAX_REQUEST_ID_LENGTH).contains(&id.len())
            && id.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:=+/".contains(byte))
    };
    headers.get(REQUEST_ID).filter(is_safe).cloned().unwrap_or_else(|| {
        HeaderValue::try_from(Uuid::now_v7().to_string()).expect("a UUID is hexadecimal digits and dashes")
    })
}

fn trace_context(headers: &HeaderMap) -> TraceContext {
    let text = |name| {
        let value = headers.get(name)?.to_str().ok()?;
        (value.len() <= MAX_TRACE_LENGTH).then(|| value.to_owned())
    };
    TraceContext { traceparent: text("traceparent"), tracestate: text("tracestate") }
}

/// The server span, with the fields of OpenTelemetry's semantic conventions for HTTP. It leaves out the query, in
/// which a client may send anything.
fn server_span(request: &Request, id: &HeaderValue) -> Span {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let method = known_method(request.method());
    let name = match (method, route) {
        ("_OTHER", _) => "HTTP".to_owned(),
        (method, Some(route)) => format!("{method} {route}"),
        (method, None) => method.to_owned(),
    };
    let client = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|client| client.0.ip());
    tracing::info_span!(
        "request",
        otel.name = name,
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
        url.path = %logged(request.uri().path()),
        client.address = client.map(display),
        user_agent.original = request.headers().get(USER_AGENT).map(logged_header).map(display),
        request_id = id.to_str().unwrap_or_default(),
        rollcall.tenant = Empty,
        rollcall.import.id = Empty,
    )
}

/// The method as the semantic conventions want it: `_OTHER` for an unknown one, of which a client could invent any
/// number.
fn known_method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "CONNECT" => "CONNECT",
        "OPTIONS" => "OPTIONS",
        "TRACE" => "TRACE",
        "PATCH" => "PATCH",
        _ => "_OTHER",
    }
}

/// A request and its response. Logged when it is dropped: when the request has ended, however it did.
struct RequestLog {
    method: &'static str,
    /// As it may be logged.
    path: String,
    span: Span,
    started: Instant,
    status: Option<StatusCode>,
    /// Set for a response that any client can cause any number of times.
    refusal: Option<LoggedAs>,
    sent_bytes: u64,
    /// Whether the whole response was passed to the connection.
    complete: bool,
}

impl RequestLog {
    fn responded(&mut self, response: &Response) {
        let status = response.status();
        self.status = Some(status);
        self.refusal = response.extensions().get().copied();
        self.span.record("http.response.status_code", status.as_u16());
        if status.is_server_error() {
            self.span.record("otel.status_code", "ERROR");
        }
    }
}

impl Drop for RequestLog {
    fn drop(&mut self) {
        let kind = match (self.status, self.refusal) {
            (None, _) => Some("the client hung up"),
            (Some(_), refusal) => refusal.map(|LoggedAs(kind)| kind),
        };
        if kind.is_some_and(|kind| !refusal_log::count(kind)) {
            return;
        }
        let Self { method, path, span, sent_bytes, .. } = self;
        let milliseconds = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        match self.status {
            Some(status) if self.complete => {
                tracing::info!(parent: &*span, status = status.as_u16(), milliseconds, sent_bytes, "{method} {path}");
            }
            Some(status) => tracing::info!(
                parent: &*span, status = status.as_u16(), milliseconds, sent_bytes,
                "{method} {path}: response truncated"
            ),
            None => {
                tracing::info!(parent: &*span, milliseconds, "{method} {path}: the client hung up before the response");
            }
        }
    }
}

/// A response body that logs the request when it ends. The request's span lasts as long.
struct LoggedBody {
    body: Body,
    log: RequestLog,
}

impl http_body::Body for LoggedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        let _within = this.log.span.enter();
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                this.log.sent_bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                this.log.complete = this.body.is_end_stream();
            }
            Poll::Ready(None) => this.log.complete = true,
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_request_ids_that_are_safe_to_log_are_accepted() {
        let accepted = |id: &'static str| {
            let headers = [(REQUEST_ID, HeaderValue::from_static(id))].into_iter().collect();
            request_id(&headers) == id
        };
        assert!(accepted("0198f1c2-7d3e"));
        assert!(accepted("Root=1-67891233:abc"));
        assert!(!accepted(""));
        assert!(!accepted("a b"));
        assert!(!accepted("\"quoted\""));
        assert_eq!(request_id(&HeaderMap::new()).len(), 36);
    }
}
