//! The headers of responses.

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::header::Header;
use utoipa::openapi::{HeaderBuilder, ObjectBuilder, RefOr, Type};

/// A header, and whether each response of its status has it.
#[derive(Clone, Copy)]
pub struct ResponseHeader {
    name: &'static str,
    description: &'static str,
    values: Values,
    required: bool,
}

/// What a header's value can be.
#[derive(Clone, Copy)]
enum Values {
    Matching(&'static str),
    One(&'static str),
    WholeNumber,
    Any,
}

const fn header(name: &'static str, values: Values, description: &'static str) -> ResponseHeader {
    ResponseHeader { name, description, values, required: true }
}

pub const REQUEST_ID: ResponseHeader = header(
    "X-Request-Id",
    Values::Matching("^[A-Za-z0-9._:=+/-]{1,128}$"),
    "Identifies the request in the log: the client's own if it sent a usable one.",
);
pub const TRACE_ID: ResponseHeader =
    header("Trace-Id", Values::Matching("^[0-9a-f]{32}$"), "The trace of the request, for the operator.");
pub const CACHE_CONTROL: ResponseHeader =
    header("Cache-Control", Values::One("no-store"), "No response may be cached.");
pub const LOCATION: ResponseHeader = header(
    "Location",
    Values::Matching("^/api/import/jobs/[0-9a-f-]{36}$"),
    "The import that the upload became. GET it for progress and result.",
);
pub const PREFERENCE_APPLIED: ResponseHeader = header(
    "Preference-Applied",
    Values::Matching("^(respond-async|wait=[0-9]+)$"),
    "The preference that was honoured (RFC 7240).",
);
pub const IMPORT_WARNING: ResponseHeader = header(
    "Import-Warning",
    Values::Matching("^[ -~]*$"),
    "A line for each warning of the import, in ASCII.",
);
pub const RETRY_AFTER: ResponseHeader =
    header("Retry-After", Values::WholeNumber, "Seconds after which to send the request again.");
pub const ALLOW: ResponseHeader =
    header("Allow", Values::Matching("^[A-Z]+(, [A-Z]+)*$"), "The methods that the path supports.");
pub const WWW_AUTHENTICATE: ResponseHeader =
    header("WWW-Authenticate", Values::Matching("^Basic "), "How to log in.");
pub const ACCEPT_ENCODING: ResponseHeader =
    header("Accept-Encoding", Values::One("identity"), "Send the form uncompressed.");
pub const UNBUFFERED: ResponseHeader =
    header("X-Accel-Buffering", Values::One("no"), "Tells a proxy to pass each byte on as it comes.");
pub const CONTENT_SECURITY_POLICY: ResponseHeader =
    header("Content-Security-Policy", Values::Any, "What the page may load: its own files.");
pub const NO_SNIFFING: ResponseHeader =
    header("X-Content-Type-Options", Values::One("nosniff"), "The content type is what it says.");
pub const NO_REFERRER: ResponseHeader =
    header("Referrer-Policy", Values::One("no-referrer"), "No other host learns of the page.");
pub const PAGE_LOCATION: ResponseHeader = header("Location", Values::One("docs/"), "The page.");

impl ResponseHeader {
    /// The same header where some responses of the status lack it.
    #[must_use]
    pub const fn optional(mut self) -> Self {
        self.required = false;
        self
    }

    fn describe(self) -> Header {
        let text = || ObjectBuilder::new().schema_type(Type::String);
        let schema = match self.values {
            Values::Matching(pattern) => text().pattern(Some(pattern)),
            Values::One(value) => text().enum_values(Some([value])),
            Values::WholeNumber => ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)),
            Values::Any => text(),
        };
        let mut header =
            HeaderBuilder::new().schema(Some(schema)).description(Some(self.description)).build();
        if self.required {
            // The builder has no method for it.
            header.extensions = Some(Extensions::from_iter([("required", Value::Bool(true))]));
        }
        header
    }
}

/// The headers as the document lists them.
pub fn describe(headers: impl IntoIterator<Item = ResponseHeader>) -> BTreeMap<String, RefOr<Header>> {
    headers.into_iter().map(|header| (header.name.to_owned(), header.describe().into())).collect()
}
