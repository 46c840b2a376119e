//! The errors that a client sees and their status codes.
//!
//! Each error is a sentence that says what is wrong and how to fix it, in the shape of a failed result. Its internal
//! cause is logged here, once, and never sent to the client.

use std::any::Any;
use std::error::Error;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{ACCEPT_ENCODING, ALLOW, CONNECTION, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use rollcall_schema::imports::result_json;
use rollcall_schema::postgres::error::DatabaseError;

use crate::http::refusal_log;
use crate::http::response::{delay_seconds, json, logged_as, whole_seconds, with_header};

/// The internal cause of an error, for the log.
pub type Cause = Box<dyn Error + Send + Sync>;

/// Why a request failed.
#[derive(Debug)]
pub enum ApiError {
    /// No credentials, wrong ones, or those of a disabled account.
    Unauthorised,
    /// The credentials are right, but the account may not import.
    NotAdministrator,
    /// Too many logins failed. They count for this long; a right one is accepted before.
    TooManyFailedLogins(Duration),
    /// Too many logins of the client's address are being checked at once.
    TooManyLogins(Duration),
    /// The request is malformed. The sentence says how, and how to fix it.
    BadRequest(String),
    /// The request names no host, or more than one. The phrase says which.
    BadHost(&'static str),
    /// The file is larger than the tenant's limit.
    TooLarge {
        /// The tenant's limit in bytes.
        limit_bytes: u64,
    },
    /// The upload is compressed or otherwise encoded. The sentence says how.
    UnsupportedEncoding(String),
    /// No byte of the upload arrived for this long.
    Stalled(Duration),
    /// The upload arrived more slowly than this many bytes a second.
    TooSlow(u64),
    /// As many of the tenant's imports as it may have are waiting or running.
    QueueFull(u32),
    /// The tenant has as many requests of a kind open as it may have. The noun says which.
    TenantBusy(&'static str),
    /// The database or the upload store failed. It may be back in a moment.
    Unavailable(Cause),
    /// The service has too many requests to handle this one.
    Overloaded,
    /// A different upload was sent under the same idempotency key.
    KeyConflict,
    /// The import to be cancelled has ended already.
    AlreadyEnded,
    /// There is no such import, or it belongs to another tenant.
    ImportNotFound,
    PathNotFound,
    /// The path does not support the method, only these.
    MethodNotAllowed(&'static str),
    /// A bug.
    Internal(Cause),
}

/// The `Retry-After` of a request that failed because the service is unavailable or overloaded.
const UNAVAILABLE_RETRY_AFTER: Duration = Duration::from_secs(10);
/// The `Retry-After` of an upload to a tenant whose line is full: one import of it takes seconds to minutes.
const QUEUE_FULL_RETRY_AFTER: Duration = Duration::from_mins(1);

impl From<DatabaseError> for ApiError {
    fn from(error: DatabaseError) -> Self {
        Self::Unavailable(error.into())
    }
}

impl ApiError {
    /// An error in the request, as a sentence that says how to fix it.
    pub fn bad_request(summary: impl Into<String>) -> Self {
        Self::BadRequest(summary.into())
    }

    /// The response to a request whose handler panicked. The panic itself is already in the log.
    pub fn panicked(_: Box<dyn Any + Send>) -> Response {
        Self::Internal("a handler panicked".into()).into_response()
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Unauthorised => StatusCode::UNAUTHORIZED,
            Self::NotAdministrator => StatusCode::FORBIDDEN,
            Self::TooManyFailedLogins(_)
            | Self::TooManyLogins(_)
            | Self::QueueFull(_)
            | Self::TenantBusy(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::BadRequest(_) | Self::BadHost(_) => StatusCode::BAD_REQUEST,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedEncoding(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Stalled(_) | Self::TooSlow(_) => StatusCode::REQUEST_TIMEOUT,
            Self::KeyConflict => StatusCode::UNPROCESSABLE_ENTITY,
            Self::AlreadyEnded => StatusCode::CONFLICT,
            Self::Unavailable(_) | Self::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
            Self::ImportNotFound | Self::PathNotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn summary(&self) -> String {
        match self {
            // The same text for both, so that only the status tells them apart.
            Self::Unauthorised | Self::NotAdministrator => "Unauthorised. Check credentials.".to_owned(),
            Self::TooManyFailedLogins(left) => {
                format!("Too many failed logins. Check credentials, and try again in {}.", duration(*left))
            }
            Self::TooManyLogins(delay) => format!(
                "Too many logins of this address are being checked at once. Try again in {}.",
                duration(*delay)
            ),
            Self::BadRequest(summary) | Self::UnsupportedEncoding(summary) => summary.clone(),
            Self::BadHost(problem) => format!(
                "The request {problem}, so it does not say which school it is for. Send one Host header with the host \
                 name of the URL, as curl does."
            ),
            Self::TooLarge { limit_bytes } => format!(
                "The file is larger than {}, the limit for an upload. Send it in parts, or ask the operator to raise \
                 the limit.",
                size(*limit_bytes)
            ),
            Self::Stalled(idle) => {
                format!("The upload stalled: no data arrived for {}. Send it again.", duration(*idle))
            }
            Self::TooSlow(rate) => format!(
                "The upload is too slow: less than {rate} bytes a second arrived. Send it again over a faster \
                 connection."
            ),
            Self::QueueFull(limit) => format!(
                "Too many imports are waiting: {} of this tenant are not finished, and it may have no more. Try again \
                 when some of them are.",
                imports(*limit)
            ),
            Self::TenantBusy(requests) => format!(
                "Too many {requests} of this tenant are open. Try again in {}.",
                duration(UNAVAILABLE_RETRY_AFTER)
            ),
            Self::Unavailable(_) => {
                "The service is temporarily unavailable. Try again in a few seconds.".to_owned()
            }
            Self::Overloaded => "The service is overloaded. Try again in a few seconds.".to_owned(),
            Self::KeyConflict => {
                "This Idempotency-Key was used for a different upload within the last 24 hours. Send \
                                  each file under a key of its own."
                    .to_owned()
            }
            Self::AlreadyEnded => "The import has ended already. GET its URL for the result.".to_owned(),
            Self::ImportNotFound => "There is no such import. Check the URL and the tenant.".to_owned(),
            Self::PathNotFound => {
                "There is nothing here. Send users to /api/import/users and group memberships to \
                 /api/import/userGroups; GET /api/import/jobs lists the imports."
                    .to_owned()
            }
            Self::MethodNotAllowed(methods) => {
                format!("This URL does not support the method. Use one of {methods}.")
            }
            Self::Internal(_) => {
                "The service failed. Try again; if it fails again, send the Trace-Id to the operator."
                    .to_owned()
            }
        }
    }

    /// The error's name in the log.
    fn kind(&self) -> &'static str {
        match self {
            Self::Unauthorised => "unauthorised",
            Self::NotAdministrator => "not an administrator",
            Self::TooManyFailedLogins(_) => "too many failed logins",
            Self::TooManyLogins(_) => "too many logins",
            Self::BadRequest(_) => "bad request",
            Self::BadHost(_) => "bad host",
            Self::TooLarge { .. } => "too large",
            Self::UnsupportedEncoding(_) => "unsupported encoding",
            Self::Stalled(_) => "stalled upload",
            Self::TooSlow(_) => "slow upload",
            Self::QueueFull(_) => "queue full",
            Self::TenantBusy(_) => "tenant busy",
            Self::Unavailable(_) => "unavailable",
            Self::Overloaded => "overloaded",
            Self::KeyConflict => "idempotency key conflict",
            Self::AlreadyEnded => "already ended",
            Self::ImportNotFound => "import not found",
            Self::PathNotFound => "path not found",
            Self::MethodNotAllowed(_) => "method not allowed",
            Self::Internal(_) => "internal error",
        }
    }

    fn log(&self) {
        match self {
            Self::Unavailable(cause) if refusal_log::count("unavailable: cause") => {
                let error = cause.as_ref() as &(dyn Error + 'static);
                tracing::warn!(error, "request failed: service unavailable");
            }
            Self::Internal(cause) => {
                let error = cause.as_ref() as &(dyn Error + 'static);
                tracing::error!(error, "request failed: internal error");
            }
            Self::Overloaded if refusal_log::count("overloaded: cause") => {
                tracing::warn!("request failed: too many requests at once");
            }
            _ => {}
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.log();
        let response = json(self.status(), Body::from(result_json::failure(&self.summary())));
        let response = logged_as(self.kind(), response);
        match self {
            Self::Unauthorised => with_header(
                response,
                WWW_AUTHENTICATE,
                HeaderValue::from_static("Basic realm=\"Rollcall\", charset=\"UTF-8\""),
            ),
            Self::TooManyFailedLogins(left) | Self::TooManyLogins(left) => {
                with_header(response, RETRY_AFTER, delay_seconds(left))
            }
            Self::QueueFull(_) => with_header(response, RETRY_AFTER, delay_seconds(QUEUE_FULL_RETRY_AFTER)),
            Self::Unavailable(_) | Self::Overloaded | Self::TenantBusy(_) => {
                with_header(response, RETRY_AFTER, delay_seconds(UNAVAILABLE_RETRY_AFTER))
            }
            Self::UnsupportedEncoding(_) => {
                with_header(response, ACCEPT_ENCODING, HeaderValue::from_static("identity"))
            }
            // This also keeps `middleware::drain_body` from waiting for the rest of the body.
            Self::Stalled(_) | Self::TooSlow(_) => {
                with_header(response, CONNECTION, HeaderValue::from_static("close"))
            }
            Self::MethodNotAllowed(methods) => {
                with_header(response, ALLOW, HeaderValue::from_static(methods))
            }
            _ => response,
        }
    }
}

fn duration(time: Duration) -> String {
    match whole_seconds(time) {
        1 => "1 second".to_owned(),
        seconds @ 0..120 => format!("{seconds} seconds"),
        seconds => format!("{} minutes", seconds.div_ceil(60)),
    }
}

fn imports(count: u32) -> String {
    if count == 1 { "1 import".to_owned() } else { format!("{count} imports") }
}

/// A limit in the largest unit that divides it, so that the client reads the number that the operator set. `bytesize`
/// would round it to one decimal place.
fn size(bytes: u64) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.iter().find(|(unit, _)| bytes >= *unit && bytes.is_multiple_of(*unit)) {
        Some((unit, name)) => format!("{} {name}", bytes / unit),
        None if bytes == 1 => "1 byte".to_owned(),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_read_as_they_were_set() {
        for (bytes, text) in [
            (2 << 30, "2 GiB"),
            (1536 << 20, "1536 MiB"),
            (1, "1 byte"),
            (1000, "1000 bytes"),
            (1024, "1 KiB"),
            (1025, "1025 bytes"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn every_error_has_the_shape_of_a_failed_result() {
        let response = ApiError::Unauthorised.into_response();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert!(response.headers()[WWW_AUTHENTICATE].as_bytes().starts_with(b"Basic"));
        assert_eq!(
            result_json::failure(&ApiError::NotAdministrator.summary()),
            r#"{"success":false,"summary":"Unauthorised. Check credentials."}"#
        );
    }
}
