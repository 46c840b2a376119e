//! The answer to a plain POST, to the byte (§2).

use std::fmt::Write as _;

use super::rows::Outcome;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// 200 or 400.
    pub status: u16,
    /// The exact bytes of a 200. For a 400 the contract fixes only the shape, so the summary is the oracle's own.
    pub body: String,
    /// How many rows would have disabled an administrator or changed the password of one.
    pub protected_rows: usize,
}

impl Answer {
    /// The file cannot be imported at all.
    pub(super) fn refused(reason: &str) -> Self {
        let reason = reason.replace('\\', "\\\\").replace('"', "\\\"");
        let body = format!(r#"{{"success":false,"summary":"{reason}"}}"#);
        Self { status: 400, body, protected_rows: 0 }
    }

    pub(super) fn finished(outcomes: &[Outcome]) -> Self {
        let count = |wanted: fn(&Outcome) -> bool| outcomes.iter().filter(|outcome| wanted(outcome)).count();
        let failed = count(|outcome| matches!(outcome, Outcome::Failed(_)));
        let summary = [
            (outcomes.len(), "processed"),
            (count(|outcome| matches!(outcome, Outcome::Created)), "created"),
            (count(|outcome| matches!(outcome, Outcome::Updated | Outcome::UpdatedButProtected)), "updated"),
            (failed, "failed"),
        ]
        .map(|(n, verb)| format!("{n} {} {verb}.", if n == 1 { "user" } else { "users" }))
        .join(" ");

        let mut body = format!(r#"{{"success":{},"summary":"{summary}""#, failed == 0);
        if failed > 0 {
            body.push_str(r#","details":{"#);
            for (index, outcome) in outcomes.iter().enumerate() {
                let comma = if index == 0 { "" } else { "," };
                // Outcomes never quote the file, so they need no escaping. Writing to a String cannot fail.
                let _ = write!(body, r#"{comma}"{}":"{}""#, index + 1, outcome.text());
            }
            body.push('}');
        }
        body.push('}');
        let protected_rows = count(|outcome| matches!(outcome, Outcome::UpdatedButProtected));
        Self { status: 200, body, protected_rows }
    }

    /// Whether the service gave this answer. A 200 is compared byte for byte, except for the leading spaces that keep the
    /// connection of a long import alive. A 400 must be an object of `success`, which is false, and a non-empty `summary`,
    /// which is all that the contract fixes.
    pub fn agrees_with(&self, status: u16, body: impl AsRef<[u8]>) -> bool {
        if status != self.status {
            return false;
        }
        let mut body = body.as_ref();
        while let [b' ', rest @ ..] = body {
            body = rest;
        }
        if status == 200 {
            return body == self.body.as_bytes();
        }
        let Ok(serde_json::Value::Object(object)) = serde_json::from_slice(body) else {
            return false;
        };
        object.get("success") == Some(&serde_json::Value::Bool(false))
            && object
                .get("summary")
                .and_then(serde_json::Value::as_str)
                .is_some_and(|summary| !summary.is_empty())
            && object.len() == 2
    }
}
