//! The `Prefer` header (RFC 7240), as far as it is understood here: `respond-async` and `wait`.

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::http::parameters::{name_and_value, split_unquoted};

/// The request's header.
const PREFER: HeaderName = HeaderName::from_static("prefer");
/// The header that says what was honoured.
pub const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
/// The longest wait that is honoured; whoever wants more asks again.
const MAX_WAIT_SECONDS: u64 = 600;

/// How long a client prefers to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preference {
    /// Not at all.
    RespondAsync,
    /// This many seconds at most.
    Wait(u64),
}

impl Preference {
    /// What the headers prefer. `wait` goes before `respond-async`: together they mean "wait so long, then answer
    /// without the result". What is malformed or not understood is passed over, as the RFC wants.
    pub fn read(headers: &HeaderMap) -> Option<Self> {
        let mut respond_async = false;
        let mut wait = None;
        for header in headers.get_all(PREFER) {
            for preference in split_unquoted(header.as_bytes(), b',') {
                // Behind the first semicolon stand parameters; none is defined for the two.
                let preference = split_unquoted(preference, b';').next().unwrap_or_default();
                let (name, value) = name_and_value(preference);
                if name.eq_ignore_ascii_case(b"respond-async") {
                    respond_async = true;
                } else if name.eq_ignore_ascii_case(b"wait") && wait.is_none() {
                    // The first one counts.
                    wait = Some(seconds(value));
                }
            }
        }
        match wait.flatten() {
            Some(seconds) => Some(Self::Wait(seconds.min(MAX_WAIT_SECONDS))),
            None => respond_async.then_some(Self::RespondAsync),
        }
    }

    /// The value of `Preference-Applied`.
    pub fn applied(self) -> HeaderValue {
        match self {
            Self::RespondAsync => HeaderValue::from_static("respond-async"),
            Self::Wait(seconds) => HeaderValue::try_from(format!("wait={seconds}"))
                .expect("letters, a sign and digits are a header's value"),
        }
    }
}

fn seconds(value: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(value)
        .ok()
        .filter(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()))?;
    // More digits than a number holds are a very long wait, not a malformed one.
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
    fn the_two_preferences_are_read_however_they_are_written() {
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
    fn what_is_not_understood_is_passed_over() {
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
    fn what_was_honoured_is_named() {
        assert_eq!(Preference::Wait(600).applied(), "wait=600");
        assert_eq!(Preference::RespondAsync.applied(), "respond-async");
    }
}
