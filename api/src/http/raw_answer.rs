//! Answers to clients whose request no handler can take: written to the connection as they are, in the shape of every
//! other answer, before the connection is closed.

use std::fmt::Write as _;
use std::time::Duration;

use axum::http::StatusCode;
use rollcall_schema::imports::result_json;
use rollcall_schema::telemetry::current_trace_id;
use uuid::Uuid;

/// The `Retry-After` of a connection for which there is no room.
const FULL_RETRY_AFTER: Duration = Duration::from_secs(10);

/// An answer after which the connection is closed.
#[derive(Debug, Clone)]
pub struct RawAnswer {
    pub status: StatusCode,
    /// Its name in the log.
    pub kind: &'static str,
    summary: String,
    retry_after: Option<Duration>,
}

/// Tells browsers and other clients that keep it to use no plain HTTP with this host for a year (RFC 6797).
pub const STRICT_TRANSPORT_SECURITY: &str = "max-age=31536000";

impl RawAnswer {
    fn new(status: StatusCode, kind: &'static str, summary: impl Into<String>) -> Self {
        Self { status, kind, summary: summary.into(), retry_after: None }
    }

    /// To plain HTTP on the port that serves TLS.
    pub fn plain_http(summary: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "plain HTTP", summary)
    }

    /// To a connection for which there is no room.
    pub fn too_many_connections() -> Self {
        let summary = "The service has too many connections. Try again in a few seconds.";
        let answer = Self::new(StatusCode::SERVICE_UNAVAILABLE, "too many connections", summary);
        Self { retry_after: Some(FULL_RETRY_AFTER), ..answer }
    }

    /// To a request whose head did not arrive in time.
    pub fn head_timed_out() -> Self {
        let summary = "The request's headers did not arrive in time. Send the request again.";
        Self::new(StatusCode::REQUEST_TIMEOUT, "head timed out", summary)
    }

    /// To a connection that begins as one of HTTP/2.
    pub fn wrong_version() -> Self {
        let summary = "This service speaks HTTP/1.1 and HTTP/1.0. Send the request in one of them.";
        Self::new(StatusCode::HTTP_VERSION_NOT_SUPPORTED, "HTTP/2", summary)
    }

    /// To a request whose head cannot be read. `status` is the one that hyper chose, if it chose one.
    pub fn unreadable(status: Option<StatusCode>) -> Self {
        match status {
            Some(status @ StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE) => Self::new(
                status,
                "head too large",
                "The request's URL and headers are larger than 16 KiB, or more than 100 headers. Send fewer or shorter \
                 headers.",
            ),
            Some(status @ StatusCode::URI_TOO_LONG) => {
                Self::new(status, "URL too long", "The request's URL is too long.")
            }
            _ => Self::new(
                StatusCode::BAD_REQUEST,
                "malformed head",
                "The request is not valid HTTP/1.1, so it cannot be read.",
            ),
        }
    }

    /// The answer as it is sent, over `tls` or not. The answer to a HEAD has no body.
    pub fn text(&self, tls: bool, to_head: bool) -> String {
        let body = result_json::failure(&self.summary);
        let reason = self.status.canonical_reason().unwrap_or_default();
        let mut text = format!(
            "HTTP/1.1 {} {reason}\r\ncontent-type: application/json\r\ncontent-length: {}\r\ncache-control: no-store\r\n\
             x-request-id: {}\r\nconnection: close\r\n",
            self.status.as_u16(),
            body.len(),
            Uuid::now_v7()
        );
        if let Some(trace) = current_trace_id() {
            let _ = write!(text, "trace-id: {trace}\r\n");
        }
        if let Some(delay) = self.retry_after {
            let _ = write!(text, "retry-after: {}\r\n", delay.as_secs());
        }
        if tls {
            let _ = write!(text, "strict-transport-security: {STRICT_TRANSPORT_SECURITY}\r\n");
        }
        text.push_str("\r\n");
        if !to_head {
            text.push_str(&body);
        }
        text
    }
}
