//! What a request is answered, and the one place that chooses status codes.
//!
//! An [`Answer`] is what a request hears when nothing stood in its way, a [`ApiError`] why it hears nothing else.
//! Each refusal is a sentence that names the mend, in the shape of a failed result; what went wrong inside is
//! logged here, once, and never told.

use std::any::Any;
use std::error::Error;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{ALLOW, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use rollcall_schema::database::DatabaseError;
use rollcall_schema::import::Ending;
use rollcall_schema::result;
use serde::Serialize;

use crate::auth::throttle::Blocked;

/// What a request is answered when nothing stands in its way.
pub enum Answer {
    /// The result, to the upload that waited for it: the status tells how the import ended.
    Outcome(Ending, Body),
    /// The result of an upload whose answer started before the end was known.
    Heartbeats(Body),
    /// The result, to whoever asks for it later.
    Result(Body),
    /// There is no result yet.
    Pending {
        /// What is known so far.
        body: Body,
        /// When to ask again.
        retry_after: Duration,
    },
    /// A page of a listing.
    Page(Body),
    /// The process is alive, or ready.
    Ready(Body),
    /// The process cannot serve imports now.
    NotReady(Body),
    /// The methods that a path knows.
    Methods(&'static str),
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        match self {
            Self::Outcome(Ending::Imported, body)
            | Self::Heartbeats(body)
            | Self::Result(body)
            | Self::Page(body)
            | Self::Ready(body) => json(StatusCode::OK, body),
            Self::Outcome(Ending::Refused(_), body) => json(StatusCode::BAD_REQUEST, body),
            Self::Outcome(Ending::Abandoned(_), body) => json(StatusCode::INTERNAL_SERVER_ERROR, body),
            Self::Outcome(Ending::Cancelled(_), body) => json(StatusCode::CONFLICT, body),
            Self::Pending { body, retry_after } => {
                with(json(StatusCode::ACCEPTED, body), RETRY_AFTER, seconds(retry_after))
            }
            Self::NotReady(body) => json(StatusCode::SERVICE_UNAVAILABLE, body),
            Self::Methods(methods) => {
                with(StatusCode::NO_CONTENT.into_response(), ALLOW, HeaderValue::from_static(methods))
            }
        }
    }
}

/// A value as the body of an answer.
pub fn json_body(value: &impl Serialize) -> Body {
    Body::from(serde_json::to_vec(value).expect("answers are structs of strings and numbers"))
}

/// Something inside that failed; for the log.
pub type Cause = Box<dyn Error + Send + Sync>;

/// Why a request is not answered what it asked for.
#[derive(Debug)]
pub enum ApiError {
    /// No credentials, wrong ones, or those of a disabled account.
    Unauthorised,
    /// The right credentials of somebody who may not import.
    NotAdministrator,
    /// Too many logins failed.
    TooManyFailedLogins(Blocked),
    /// The request cannot be understood; the sentence says why and names the mend.
    BadRequest(String),
    /// The file is larger than the tenant may send.
    TooLarge {
        /// The tenant's limit in bytes.
        limit_bytes: u64,
    },
    /// No byte of the upload came for this long.
    Stalled(Duration),
    /// The database, or the upload store, failed: it may be back in a moment.
    Unavailable(Cause),
    /// There is more to do than can be done at once.
    Overloaded,
    /// Another upload came under the same idempotency key.
    KeyConflict,
    /// The import to be cancelled has ended already.
    AlreadyEnded,
    /// There is no such import, or it is another tenant's.
    ImportNotFound,
    /// There is nothing at this path.
    PathNotFound,
    /// The path does not know this method; it knows these.
    MethodNotAllowed(&'static str),
    /// A defect.
    Internal(Cause),
}

/// When to come back while something inside is away.
const UNAVAILABLE_RETRY_AFTER: Duration = Duration::from_secs(10);

impl From<DatabaseError> for ApiError {
    fn from(error: DatabaseError) -> Self {
        Self::Unavailable(error.into())
    }
}

impl From<Blocked> for ApiError {
    fn from(blocked: Blocked) -> Self {
        Self::TooManyFailedLogins(blocked)
    }
}

impl ApiError {
    /// A refusal for what the client's form is like.
    pub fn bad_request(summary: impl Into<String>) -> Self {
        Self::BadRequest(summary.into())
    }

    /// What the catch-all for panics answers. The panic itself is in the log already.
    pub fn panicked(_: Box<dyn Any + Send>) -> Response {
        Self::Internal("a handler panicked".into()).into_response()
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Unauthorised => StatusCode::UNAUTHORIZED,
            Self::NotAdministrator => StatusCode::FORBIDDEN,
            Self::TooManyFailedLogins(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Stalled(_) => StatusCode::REQUEST_TIMEOUT,
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
            // The two are one to whoever guesses: only the status tells them apart.
            Self::Unauthorised | Self::NotAdministrator => "Unauthorised. Check credentials.".to_owned(),
            Self::TooManyFailedLogins(Blocked(left)) => {
                format!("Too many failed logins. Check credentials, and try again in {}.", duration(*left))
            }
            Self::BadRequest(summary) => summary.clone(),
            Self::TooLarge { limit_bytes } => format!(
                "The file is larger than {}, the most that may be sent here. Send it in parts, or ask the operator to \
                 raise the limit.",
                size(*limit_bytes)
            ),
            Self::Stalled(idle) => {
                format!("The upload stalled: nothing came for {}. Send it again.", duration(*idle))
            }
            Self::Unavailable(_) => "The service cannot do this right now. Try again in a few seconds.".to_owned(),
            Self::Overloaded => "The service has too much to do right now. Try again in a few seconds.".to_owned(),
            Self::KeyConflict => "Another file came under this Idempotency-Key within the last 24 hours. Send each file \
                                   under a key of its own."
                .to_owned(),
            Self::AlreadyEnded => "The import has ended already. GET its address for the result.".to_owned(),
            Self::ImportNotFound => "There is no such import. Check the address and the tenant.".to_owned(),
            Self::PathNotFound => {
                "There is nothing here. Send users to /api/import/users, group memberships to /api/import/userGroups, \
                 and ask for imports at /api/import/jobs."
                    .to_owned()
            }
            Self::MethodNotAllowed(methods) => format!("This address does not know the method. Use one of {methods}."),
            Self::Internal(_) => {
                "The service failed. Try again; if it fails again, tell the operator the Trace-Id.".to_owned()
            }
        }
    }

    fn log(&self) {
        match self {
            Self::Unavailable(cause) => {
                tracing::warn!(
                    error = cause.as_ref() as &(dyn Error + 'static),
                    "a request had to be put off"
                );
            }
            Self::Internal(cause) => {
                tracing::error!(error = cause.as_ref() as &(dyn Error + 'static), "a request failed");
            }
            Self::Overloaded => tracing::warn!("a request had to be put off: too much to do at once"),
            _ => {}
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.log();
        let response = json(self.status(), Body::from(result::failure(&self.summary())));
        match self {
            Self::Unauthorised => with(
                response,
                WWW_AUTHENTICATE,
                HeaderValue::from_static("Basic realm=\"Rollcall\", charset=\"UTF-8\""),
            ),
            Self::TooManyFailedLogins(Blocked(left)) => with(response, RETRY_AFTER, seconds(left)),
            Self::Unavailable(_) | Self::Overloaded => {
                with(response, RETRY_AFTER, seconds(UNAVAILABLE_RETRY_AFTER))
            }
            // Whoever stalled is not waited for again.
            Self::Stalled(_) => with(response, CONNECTION, HeaderValue::from_static("close")),
            Self::MethodNotAllowed(methods) => with(response, ALLOW, HeaderValue::from_static(methods)),
            _ => response,
        }
    }
}

fn json(status: StatusCode, body: Body) -> Response {
    (status, [(CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response()
}

fn with(mut response: Response, name: HeaderName, value: HeaderValue) -> Response {
    response.headers_mut().insert(name, value);
    response
}

/// Whole seconds, never fewer than asked for.
fn seconds(time: Duration) -> HeaderValue {
    HeaderValue::from(whole_seconds(time))
}

fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

fn duration(time: Duration) -> String {
    match whole_seconds(time) {
        1 => "1 second".to_owned(),
        seconds @ 0..120 => format!("{seconds} seconds"),
        seconds => format!("{} minutes", seconds.div_ceil(60)),
    }
}

/// A limit in the largest unit that divides it, so that the number is the one that was set.
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
    fn retry_after_is_never_too_short() {
        assert_eq!(seconds(Duration::from_millis(1)), "1");
        assert_eq!(seconds(Duration::from_millis(2001)), "3");
        assert_eq!(seconds(Duration::from_secs(3)), "3");
    }

    #[test]
    fn every_refusal_has_the_shape_of_a_failed_result() {
        let response = ApiError::Unauthorised.into_response();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert!(response.headers()[WWW_AUTHENTICATE].as_bytes().starts_with(b"Basic"));
        assert_eq!(
            result::failure(&ApiError::NotAdministrator.summary()),
            r#"{"success":false,"summary":"Unauthorised. Check credentials."}"#
        );
    }
}
