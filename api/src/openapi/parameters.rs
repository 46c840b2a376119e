//! The parameters of requests.

use serde_json::json;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{KnownFormat, SchemaFormat};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{ObjectBuilder, RefOr, Required, Type};

/// The parameters of an upload.
pub struct OfUploads;

impl IntoParams for OfUploads {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![tenant_id(), prefer(), idempotency_key()]
    }
}

/// The parameters of a request about one import.
pub struct OfImports;

impl IntoParams for OfImports {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![id(), tenant_id()]
    }
}

/// The parameters of a poll.
pub struct OfPolls;

impl IntoParams for OfPolls {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![id(), tenant_id(), prefer()]
    }
}

/// What every request may have: it finds the request again, and continues the client's trace.
pub fn of_every_request() -> Vec<RefOr<Parameter>> {
    [
        (
            "X-Request-Id",
            "Identifies the request, in the response and in the log. One that is not usable is replaced.",
        ),
        ("traceparent", "The trace that the request belongs to (W3C Trace Context)."),
        ("tracestate", "Belongs to `traceparent`."),
    ]
    .map(|(name, description)| {
        optional(name, ParameterIn::Header, description).schema(Some(text())).build().into()
    })
    .into()
}

/// Of an operation that needs no login.
pub fn no_login() -> Vec<SecurityRequirement> {
    vec![SecurityRequirement::default()]
}

/// The parameter of the path with any value, if it is one.
pub(super) fn any_in_path(parameter: RefOr<Parameter>) -> Option<RefOr<Parameter>> {
    match parameter {
        RefOr::T(Parameter { name, parameter_in: ParameterIn::Path, .. }) => {
            Some(in_path(&name, "Any value.").schema(Some(text())).build().into())
        }
        _ => None,
    }
}

pub fn tenant_id() -> Parameter {
    let description = "The tenant. Without it, the one whose host name the request names, else the only one there is. An \
                       unknown one is a 401.";
    optional("tenantId", ParameterIn::Query, description).schema(Some(text())).build()
}

/// The size of a page.
pub fn limit(default: i64, max: i64) -> Parameter {
    let schema = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(1))
        .maximum(Some(max))
        .default(Some(json!(default)));
    optional("limit", ParameterIn::Query, "How many to list.").schema(Some(schema)).build()
}

pub fn cursor() -> Parameter {
    let schema = text().pattern(Some("^([1-9][0-9]{0,17})?$"));
    optional("cursor", ParameterIn::Query, "The `next` of the page before.").schema(Some(schema)).build()
}

/// One of these words in the path.
pub fn word_in_path(name: &str, words: &[&str], description: &str) -> Parameter {
    let schema = text().enum_values(Some(words.iter().copied()));
    in_path(name, description).schema(Some(schema)).build()
}

fn id() -> Parameter {
    let schema = text().format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)));
    in_path("id", "The import's id.").schema(Some(schema)).build()
}

fn prefer() -> Parameter {
    let description = "`respond-async` answers an upload at once with 202; `wait=N` answers with the result if it is there \
                       within N seconds, at most 600, else with 202 (RFC 7240). Others are ignored.";
    let schema = text().examples(["respond-async", "wait=10"]);
    optional("Prefer", ParameterIn::Header, description).schema(Some(schema)).build()
}

fn idempotency_key() -> Parameter {
    let description = "For 24 hours the same key of the same tenant stands for the same import: sending the file again \
                       imports nothing twice. A different file under the key is a 422.";
    let schema = text().pattern(Some("^[!-~]{1,255}$"));
    optional("Idempotency-Key", ParameterIn::Header, description).schema(Some(schema)).build()
}

fn optional(name: &str, place: ParameterIn, description: &str) -> ParameterBuilder {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(Required::False)
        .description(Some(description))
}

fn in_path(name: &str, description: &str) -> ParameterBuilder {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some(description))
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}
