//! The responses of every operation, by status.

use std::collections::BTreeMap;

use serde_json::json;
use utoipa::openapi::link::LinkBuilder;
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::{Content, ContentBuilder, Object, ObjectBuilder, OneOfBuilder, Ref, RefOr, Type};
use utoipa::{IntoResponses, ToSchema};

use crate::imports::readiness::Readiness;
use crate::imports::response::{JobPage, Pending};
use crate::openapi::headers::{self, ResponseHeader};
use crate::openapi::schemas::{Alive, Failure, ImportResult};

type Responses = BTreeMap<String, RefOr<Response>>;

const JSON: &str = "application/json";

/// The failures, of which each status means the same for every operation.
const FAILURES: &[(u16, &str, &str, &[ResponseHeader])] = &[
    (400, "BadRequest", "The request is malformed, or its file cannot be imported.", &[]),
    (
        401,
        "Unauthorised",
        "No, wrong or disabled credentials, or an unknown tenant.",
        &[headers::WWW_AUTHENTICATE],
    ),
    (403, "Forbidden", "The account is not a system administrator.", &[]),
    (404, "NotFound", "There is no such import or path. An import of another tenant counts as none.", &[]),
    (405, "MethodNotAllowed", "The path does not support the method.", &[headers::ALLOW]),
    (408, "RequestTimeout", "The request did not arrive in time.", &[]),
    (409, "Conflict", "The import has ended already, or was cancelled while the client waited.", &[]),
    (413, "ContentTooLarge", "The file is larger than the tenant's limit.", &[]),
    (415, "UnsupportedEncoding", "The request or its file is compressed.", &[headers::ACCEPT_ENCODING]),
    (422, "KeyConflict", "The Idempotency-Key was used for a different upload.", &[]),
    (
        429,
        "TooManyRequests",
        "Too many failed logins, or too many requests of the tenant or the address.",
        &[headers::RETRY_AFTER],
    ),
    (431, "HeadTooLarge", "The request line or the headers are too long.", &[]),
    (500, "InternalError", "The service failed, or abandoned the import after repeated failures.", &[]),
    (503, "Unavailable", "The service cannot do this now.", &[headers::RETRY_AFTER]),
];
/// With what any request may be refused, some of it before the request has a span and so without the headers that name it.
const OF_EVERY_REQUEST: &[u16] = &[400, 408, 429, 431, 500, 503];
/// What a request with a login may be answered in addition.
const OF_LOGINS: &[u16] = &[401, 403];
/// What an upload may be answered in addition.
const OF_UPLOADS: &[u16] = &[404, 409, 413, 415, 422];
/// What an upload may be answered once it is an import.
const AFTER_ACCEPTANCE: &[u16] = &[400, 404, 409, 500, 503];

/// The responses in `#/components/responses`.
pub(super) fn shared_failures() -> Vec<(String, Response)> {
    FAILURES.iter().map(|(status, name, ..)| ((*name).to_owned(), failure(*status, []))).collect()
}

/// The response of a failure with this status.
fn failure(status: u16, more: impl IntoIterator<Item = ResponseHeader>) -> Response {
    let (_, _, description, own) = FAILURES[position(status)];
    let standard = [headers::REQUEST_ID, headers::TRACE_ID]
        .map(|header| if OF_EVERY_REQUEST.contains(&status) { header.optional() } else { header });
    let all = standard.into_iter().chain([headers::CACHE_CONTROL]).chain(own.iter().copied()).chain(more);
    let mut response =
        ResponseBuilder::new().description(description).content(JSON, content::<Failure>()).build();
    response.headers = headers::describe(all);
    response
}

/// The place of a status in the table.
fn position(status: u16) -> usize {
    FAILURES
        .iter()
        .position(|(listed, ..)| *listed == status)
        .expect("each status in a list above is in the table")
}

/// References to the shared failures.
fn failures(statuses: impl IntoIterator<Item = u16>) -> Responses {
    let reference = |status| Ref::from_response_name(FAILURES[position(status)].1).into();
    statuses.into_iter().map(|status| (status.to_string(), reference(status))).collect()
}

fn of_every_request() -> Responses {
    failures(OF_EVERY_REQUEST.iter().copied())
}

fn of_logins() -> Responses {
    failures([OF_EVERY_REQUEST, OF_LOGINS].concat())
}

/// A response that succeeds.
fn success(
    description: &str,
    body: Option<(&str, Content)>,
    more: impl IntoIterator<Item = ResponseHeader>,
) -> Response {
    let mut response = ResponseBuilder::new().description(description).build();
    if let Some((content_type, content)) = body {
        response.content.insert(content_type.to_owned(), content.into());
    }
    let standard = [headers::REQUEST_ID, headers::TRACE_ID, headers::CACHE_CONTROL];
    response.headers = headers::describe(standard.into_iter().chain(more));
    response
}

fn json_of<T: ToSchema>() -> (&'static str, Content) {
    (JSON, content::<T>())
}

fn content<T: ToSchema>() -> Content {
    ContentBuilder::new().schema(Some(Ref::from_schema_name(T::name()))).build()
}

/// With a link to the import that this expression of the response names.
fn with_link(mut response: Response, id: &str) -> Response {
    for (name, operation) in [("import", "getImport"), ("cancellation", "cancelImport")] {
        let link = LinkBuilder::new().operation_id(operation).parameter("id", json!(id)).build();
        response.links.insert(name.to_owned(), link.into());
    }
    response
}

/// The same response without its body, as HEAD has it.
pub(super) fn without_body(response: &RefOr<Response>) -> RefOr<Response> {
    let mut response = match response {
        RefOr::T(response) => response.clone(),
        RefOr::Ref(reference) => {
            let name = reference.ref_location.rsplit('/').next().unwrap_or_default();
            let status =
                FAILURES.iter().find(|(_, listed, ..)| *listed == name).map_or(500, |(status, ..)| *status);
            failure(status, [])
        }
    };
    response.content.clear();
    response.links.clear();
    response.into()
}

macro_rules! responses {
    ($(#[$doc:meta])* $name:ident: $shared:expr, $([$status:literal, $response:expr],)*) => {
        $(#[$doc])*
        pub struct $name;

        impl IntoResponses for $name {
            fn responses() -> Responses {
                let mut all: Responses = $shared;
                $(all.insert($status.to_string(), RefOr::T($response));)*
                all
            }
        }
    };
}

/// The headers of a response to an accepted upload.
const OF_ACCEPTED: [ResponseHeader; 3] =
    [headers::LOCATION, headers::PREFERENCE_APPLIED.optional(), headers::IMPORT_WARNING.optional()];
/// The headers of a response to a poll.
const OF_POLLS: [ResponseHeader; 2] =
    [headers::PREFERENCE_APPLIED.optional(), headers::IMPORT_WARNING.optional()];

/// Of an upload.
pub struct Upload;

impl IntoResponses for Upload {
    fn responses() -> Responses {
        let mut all = of_logins();
        all.extend(failures(OF_UPLOADS.iter().copied()));
        // The import that the upload became may be known already.
        for status in AFTER_ACCEPTANCE {
            let more = OF_ACCEPTED.into_iter().chain([headers::UNBUFFERED]).map(ResponseHeader::optional);
            let response = failure(*status, more);
            all.insert(status.to_string(), RefOr::T(response));
        }
        let result = success(
            "The result, however long the import took. Of an import that takes longer than 20 s the response begins with \
             spaces and has this status whatever the result is: read `success`.",
            Some(json_of::<ImportResult>()),
            OF_ACCEPTED.into_iter().chain([headers::UNBUFFERED]),
        );
        all.insert("200".to_owned(), result.into());
        let pending = success(
            "The upload is accepted, and the client preferred not to wait for its result.",
            Some(json_of::<Pending>()),
            OF_ACCEPTED.into_iter().chain([headers::RETRY_AFTER]),
        );
        all.insert("202".to_owned(), with_link(pending, "$response.body#/id").into());
        all
    }
}

/// The headers of the page and its files.
const OF_PAGE: [ResponseHeader; 3] =
    [headers::CONTENT_SECURITY_POLICY, headers::NO_SNIFFING, headers::NO_REFERRER];

fn of_imports(more: &[u16]) -> Responses {
    let mut all = of_logins();
    all.extend(failures([404]));
    all.extend(failures(more.iter().copied()));
    all
}

responses! {
    /// Of a poll.
    Poll: of_imports(&[]),
    [200, success(
        "The result: the same bytes as the response to the upload.",
        Some(json_of::<ImportResult>()),
        OF_POLLS.into_iter().chain([headers::UNBUFFERED])
    )],
    [202, success("The import is pending.", Some(json_of::<Pending>()), OF_POLLS.into_iter().chain([headers::RETRY_AFTER]))],
}

responses! {
    /// Of cancelling an import.
    Cancellation: of_imports(&[409]),
    [200, success(
        "The import is cancelled. The result that it has from now on.",
        Some(json_of::<ImportResult>()),
        [headers::IMPORT_WARNING.optional(), headers::UNBUFFERED]
    )],
}

responses! {
    /// Of the list of imports.
    List: of_logins(),
    [200, with_link(success("A page.", Some(json_of::<JobPage>()), []), "$response.body#/jobs/0/id")],
}

responses! {
    /// Of the probe of the process.
    Live: of_every_request(),
    [200, success("The process lives.", Some(json_of::<Alive>()), [])],
}

responses! {
    /// Of the probe of what the process depends on.
    Ready: of_every_request(),
    [200, success("Uploads are accepted.", Some(json_of::<Readiness>()), [])],
    [503, not_ready()],
}

/// Postgres or the uploads are away, or the request was refused before they were asked.
fn not_ready() -> Response {
    let either = OneOfBuilder::new()
        .item(Ref::from_schema_name(Readiness::name()))
        .item(Ref::from_schema_name(Failure::name()));
    let mut response = failure(503, []);
    "Uploads are not accepted now. What is away may be named.".clone_into(&mut response.description);
    response.content.insert(JSON.to_owned(), ContentBuilder::new().schema(Some(either)).build().into());
    response.headers.extend(headers::describe([headers::RETRY_AFTER.optional()]));
    response
}

responses! {
    /// Of this document.
    Document: of_every_request(),
    [200, success(
        "This document.",
        Some((JSON, ContentBuilder::new().schema(Some(Object::with_type(Type::Object))).build())),
        []
    )],
}

responses! {
    /// Of the page that shows the document.
    Page: of_every_request(),
    [200, success("The page.", Some(file_of("text/html")), OF_PAGE)],
}

responses! {
    /// Of the page's path without its last slash.
    PageRedirect: of_every_request(),
    [308, success("The page is one level deeper.", None, [headers::PAGE_LOCATION])],
}

/// Of a file of the page.
pub struct PageFile;

impl IntoResponses for PageFile {
    fn responses() -> Responses {
        let mut all = of_every_request();
        all.extend(failures([404]));
        let mut file = success("The file.", None, OF_PAGE);
        for content_type in ["text/html", "text/css", "text/javascript", "image/png"] {
            let (name, content) = file_of(content_type);
            file.content.insert(name.to_owned(), content.into());
        }
        all.insert("200".to_owned(), file.into());
        all
    }
}

fn file_of(content_type: &'static str) -> (&'static str, Content) {
    let bytes = ObjectBuilder::new().schema_type(Type::String);
    (content_type, ContentBuilder::new().schema(Some(bytes)).build())
}

responses! {
    /// Of OPTIONS.
    AllowedMethods: of_every_request(),
    [204, success("The methods are in `Allow`.", None, [headers::ALLOW])],
}
