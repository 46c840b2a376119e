//! The API's description: the OpenAPI document, and a page that shows it. Both hold nothing that is not public, so neither
//! needs a login. The page's files are compiled in; a browser that shows it loads nothing from elsewhere.

use std::sync::{Arc, LazyLock};

use axum::Extension;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use bytes::Bytes;
use utoipa::IntoParams;
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa_swagger_ui::Config;

use crate::http::error::ApiError;
use crate::http::response::ApiResponse;
use crate::openapi::{parameters, responses, tags};

/// The files of Swagger UI that the page consists of.
const FILES: &[&str] = &[
    "favicon-16x16.png",
    "favicon-32x32.png",
    "index.css",
    "index.html",
    "swagger-initializer.js",
    "swagger-ui-bundle.js",
    "swagger-ui-standalone-preset.js",
    "swagger-ui.css",
];

/// How the page shows the document. It names it relative to itself, for proxies that serve the API below a path.
static CONFIG: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| {
    // By default the page would have the document validated elsewhere.
    let config = Config::from("../openapi.json").validator_url("none").use_base_layout();
    Arc::new(config.doc_expansion("list").default_models_expand_depth(0))
});

/// The document of the routes, as it is sent.
#[derive(Clone)]
pub struct Document(Bytes);

impl Document {
    pub fn new(document: &OpenApi) -> Self {
        Self(serde_json::to_vec(document).expect("a document is objects and texts").into())
    }
}

/// This document
#[utoipa::path(
    get, path = "/api/openapi.json", operation_id = "getDescription", tag = tags::DESCRIPTION,
    responses(responses::Document), security(())
)]
pub async fn document(Extension(Document(document)): Extension<Document>) -> ApiResponse {
    ApiResponse::Description(document)
}

/// The page, for those who leave out the last slash
#[utoipa::path(
    get, path = "/api/docs", operation_id = "getPageRedirect", tag = tags::DESCRIPTION,
    responses(responses::PageRedirect), security(())
)]
pub async fn page_redirect() -> ApiResponse {
    ApiResponse::MovedTo("docs/")
}

/// A page that shows this document
#[utoipa::path(
    get, path = "/api/docs/", operation_id = "getPage", tag = tags::DESCRIPTION,
    responses(responses::Page), security(())
)]
pub async fn page() -> Result<ApiResponse, ApiError> {
    file("index.html")
}

/// The parameter of [`page_file`].
pub struct FileName;

impl IntoParams for FileName {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![parameters::word_in_path("file", FILES, "The file's name.")]
    }
}

/// A file of the page
#[utoipa::path(
    get, path = "/api/docs/{file}", operation_id = "getPageFile", tag = tags::DESCRIPTION,
    params(FileName), responses(responses::PageFile), security(())
)]
pub async fn page_file(name: Result<Path<String>, PathRejection>) -> Result<ApiResponse, ApiError> {
    let Ok(Path(name)) = name else { return Err(ApiError::PathNotFound) };
    file(&name)
}

fn file(name: &str) -> Result<ApiResponse, ApiError> {
    if !FILES.contains(&name) {
        return Err(ApiError::PathNotFound);
    }
    let file = utoipa_swagger_ui::serve(name, CONFIG.clone())
        .map_err(|error| ApiError::Internal(error.to_string().into()))?
        .ok_or(ApiError::PathNotFound)?;
    Ok(ApiResponse::PageFile { content_type: file.content_type, bytes: file.bytes })
}
