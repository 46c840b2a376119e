//! An answer.

use std::fmt::Write as _;

use super::rows::Outcome;

/// The answer to a plain POST.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// 200 or 400.
    pub status: u16,
    /// For a 200 the exact bytes. For a 400 a sentence of the oracle's own: the contract fixes only its shape.
    pub body: String,
}

impl Answer {
    pub(super) fn could_not_run(why: &str) -> Self {
        let why = why.replace('\\', "\\\\").replace('"', "\\\"");
        Self { status: 400, body: format!(r#"{{"success":false,"summary":"{why}"}}"#) }
    }

    pub(super) fn finished(outcomes: &[Outcome]) -> Self {
        let count = |wanted: fn(&Outcome) -> bool| outcomes.iter().filter(|outcome| wanted(outcome)).count();
        let failed = count(|outcome| matches!(outcome, Outcome::Failed(_)));
        let summary = [
            (outcomes.len(), "processed"),
            (count(|outcome| matches!(outcome, Outcome::Created)), "created"),
            (count(|outcome| matches!(outcome, Outcome::Updated)), "updated"),
            (failed, "failed"),
        ]
        .map(|(n, verb)| format!("{n} {} {verb}.", if n == 1 { "user" } else { "users" }))
        .join(" ");

        let mut body = format!(r#"{{"success":{},"summary":"{summary}""#, failed == 0);
        if failed > 0 {
            body.push_str(r#","details":{"#);
            for (index, outcome) in outcomes.iter().enumerate() {
                let comma = if index == 0 { "" } else { "," };
                // No outcome quotes what the file holds, so nothing in it needs an escape. A String takes every write.
                let _ = write!(body, r#"{comma}"{}":"{}""#, index + 1, outcome.text());
            }
            body.push('}');
        }
        body.push('}');
        Self { status: 200, body }
    }

    /// Whether the service's answer is this one. A 200 is compared byte for byte, but for the spaces that keep a long
    /// import's connection alive. Of a 400 the contract fixes that it is an object of `success`, false, and `summary`.
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
