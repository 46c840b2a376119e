//! The successful responses and their status codes.

use std::borrow::Cow;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{
    ALLOW, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY, RETRY_AFTER,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use rollcall_schema::imports::model::Ending;
use serde::Serialize;

/// The page loads its own files, and sends requests to this service. The images are in its style sheet.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src \
                           'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// An extension of a response that needs no login, or was refused: the request log counts those of a kind together.
#[derive(Debug, Clone, Copy)]
pub struct LoggedAs(pub &'static str);

/// A response to a request that succeeded.
pub enum ApiResponse {
    /// The result, as the response to the upload itself: the status says how the import ended.
    UploadResult(Ending, Body),
    /// The result, in a response that started before the import ended, so with status 200 whatever the result is.
    Heartbeats(Body),
    /// The result, as the response to a poll.
    PollResult(Body),
    /// The import is still pending.
    Pending {
        /// The import's progress.
        body: Body,
        /// When the client should poll next.
        retry_after: Duration,
    },
    /// One page of a listing.
    Page(Body),
    /// The process is alive, or ready.
    Healthy(Body),
    /// The process cannot accept imports now.
    NotReady {
        body: Body,
        /// When it is checked again.
        retry_after: Duration,
    },
    /// The methods that a path supports.
    AllowedMethods(&'static str),
    /// The description of the API.
    Description(Bytes),
    /// A file of the page that shows the description.
    PageFile { content_type: String, bytes: Cow<'static, [u8]> },
    /// What was asked for is at this relative URL, for good.
    MovedTo(&'static str),
}

impl IntoResponse for ApiResponse {
    fn into_response(self) -> Response {
        match self {
            Self::UploadResult(ending, body) => unbuffered(json(result_status(&ending), body)),
            Self::Heartbeats(body) | Self::PollResult(body) => unbuffered(json(StatusCode::OK, body)),
            Self::Page(body) => json(StatusCode::OK, body),
            Self::Healthy(body) => logged_as("probe", json(StatusCode::OK, body)),
            Self::Pending { body, retry_after } => {
                with_header(json(StatusCode::ACCEPTED, body), RETRY_AFTER, delay_seconds(retry_after))
            }
            Self::NotReady { body, retry_after } => logged_as(
                "not ready",
                with_header(
                    json(StatusCode::SERVICE_UNAVAILABLE, body),
                    RETRY_AFTER,
                    delay_seconds(retry_after),
                ),
            ),
            Self::AllowedMethods(methods) => {
                let response = StatusCode::NO_CONTENT.into_response();
                logged_as("OPTIONS", with_header(response, ALLOW, HeaderValue::from_static(methods)))
            }
            Self::Description(document) => json(StatusCode::OK, Body::from(document)),
            Self::PageFile { content_type, bytes } => page_file(content_type, bytes),
            Self::MovedTo(url) => with_header(
                StatusCode::PERMANENT_REDIRECT.into_response(),
                LOCATION,
                HeaderValue::from_static(url),
            ),
        }
    }
}

fn result_status(ending: &Ending) -> StatusCode {
    match ending {
        Ending::Imported => StatusCode::OK,
        Ending::Refused(_) => StatusCode::BAD_REQUEST,
        Ending::Abandoned(_) => StatusCode::INTERNAL_SERVER_ERROR,
        Ending::Cancelled(_) => StatusCode::CONFLICT,
    }
}

/// Tells nginx, and proxies that follow it, to pass each byte on as it comes: they would collect heartbeats until a
/// buffer is full, and the client would see a connection on which nothing happens.
fn unbuffered(response: Response) -> Response {
    with_header(response, X_ACCEL_BUFFERING, HeaderValue::from_static("no"))
}

/// A file that a browser may use for the page and for nothing else.
fn page_file(content_type: String, bytes: Cow<'static, [u8]>) -> Response {
    let bytes = match bytes {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => Bytes::from(bytes),
    };
    let headers = [
        (CONTENT_TYPE, HeaderValue::try_from(content_type).expect("the media type of a file of the page")),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_POLICY)),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (headers, bytes).into_response()
}

/// Serialises a value as a response body.
pub fn json_body(value: &impl Serialize) -> Body {
    Body::from(serde_json::to_vec(value).expect("response bodies are structs of strings and numbers"))
}

pub(super) fn json(status: StatusCode, body: Body) -> Response {
    (status, [(CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response()
}

pub(super) fn with_header(mut response: Response, name: HeaderName, value: HeaderValue) -> Response {
    response.headers_mut().insert(name, value);
    response
}

/// Marks the response for the request log.
pub(super) fn logged_as(kind: &'static str, mut response: Response) -> Response {
    response.extensions_mut().insert(LoggedAs(kind));
    response
}

/// A delay as the value of `Retry-After`, rounded up.
pub(super) fn delay_seconds(delay: Duration) -> HeaderValue {
    HeaderValue::from(whole_seconds(delay))
}

/// A delay in whole seconds, rounded up: a client that comes back earlier would only be sent away again.
pub(super) fn whole_seconds(delay: Duration) -> u64 {
    delay.as_secs() + u64::from(delay.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_never_too_short() {
        assert_eq!(delay_seconds(Duration::from_millis(1)), "1");
        assert_eq!(delay_seconds(Duration::from_millis(2001)), "3");
        assert_eq!(delay_seconds(Duration::from_secs(3)), "3");
    }
}
