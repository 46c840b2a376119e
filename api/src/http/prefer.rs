//! The `Prefer` header (RFC 7240), with the two preferences that the API supports: `respond-async` and `wait`.

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::http::parameters::{name_and_value, split_unquoted};

const PREFER: HeaderName = HeaderName::from_static("prefer");
/// The response header that says which preference was honoured.
pub const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
/// The longest wait that is honoured. A client that wants to wait longer sends the request again.
const MAX_WAIT_SECONDS: u64 = 600;

/// How long a client prefers to wait for the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preference {
    /// It does not wait.
    RespondAsync,
    /// At most this many seconds.
    Wait(u64),
}

impl Preference {
    /// Reads the request's preference. `wait` overrides `respond-async`: together they mean "wait that long, then
    /// respond without the result". Malformed and unknown preferences are ignored, as the RFC demands.
    pub fn read(headers: &HeaderMap) -> Option<Self> {
        let mut respond_async = false;
        let mut wait = None;
        for header in headers.get_all(PREFER) {
            for preference in split_unquoted(header.as_bytes(), b',') {
                // Parameters follow the first semicolon. Neither preference has any.
                let preference = split_unquoted(preference, b';').next().unwrap_or_default();
                let (name, value) = name_and_value(preference);
                if name.eq_ignore_ascii_case(b"respond-async") {
                    respond_async = true;
                } else if name.eq_ignore_ascii_case(b"wait") && wait.is_none() {
                    // The RFC lets the first of several count.
                    wait = Some(seconds(value));
                }
            }
        }
        match wait.flatten() {
            Some(seconds) => Some(Self::Wait(seconds.min(MAX_WAIT_SECONDS))),
            None => respond_async.then_some(Self::RespondAsync),
        }
    }

    /// The preference as the value of `Preference-Applied`.
    pub fn applied(self) -> HeaderValue {
        match self {
            Self::RespondAsync => HeaderValue::from_static("respond-async"),
            Self::Wait(seconds) => HeaderValue::try_from(format!("wait={seconds}"))
                .expect("the value is ASCII letters, digits and an equals sign"),
        }
    }
}

fn seconds(value: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(value)
        .ok()
        .filter(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()))?;
    // A number that overflows is a very long wait, not a malformed one.
    Some(digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&'static str]) -> Option<Preference> {
        let headers = values.iter().map(|value| (PREFER, HeaderValue::from_static(value))).collect();
        Preference::read(&headers)
    }

    #[test]
    fn preferences_are_read_however_they_are_written() {
        use Preference::{RespondAsync, Wait};
        for (values, expected) in [
            (&["respond-async"][..], Some(RespondAsync)),
            (&["Respond-Async"], Some(RespondAsync)),
            (&["respond-async=\"\""], Some(RespondAsync)),
            (&["handling=lenient, respond-async; foo=\"a,b\""], Some(RespondAsync)),
            (&["return=minimal", "respond-async"], Some(RespondAsync)),
            (&["wait=10"], Some(Wait(10))),
            (&["WAIT = \"10\""], Some(Wait(10))),
            (&["respond-async, wait=10"], Some(Wait(10))),
            (&["wait=10", "wait=20"], Some(Wait(10))),
            (&["wait=0"], Some(Wait(0))),
            (&["wait=100000"], Some(Wait(600))),
            (&["wait=99999999999999999999999"], Some(Wait(600))),
        ] {
            assert_eq!(read(values), expected, "{values:?}");
        }
    }

    #[test]
    fn unknown_preferences_are_ignored() {
        for values in [
            &[][..],
            &[""],
            &["wait"],
            &["wait=soon"],
            &["wait=-1"],
            &["x=\", respond-async\""],
            &["respond-asynchronously"],
        ] {
            assert_eq!(read(values), None, "{values:?}");
        }
        assert_eq!(read(&["wait=soon, respond-async"]), Some(Preference::RespondAsync));
    }

    #[test]
    fn the_applied_preference_is_named() {
        assert_eq!(Preference::Wait(600).applied(), "wait=600");
        assert_eq!(Preference::RespondAsync.applied(), "respond-async");
    }
}
