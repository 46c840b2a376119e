//! The resources, a file each. A handler parses the request, makes one call, and wraps the result.

pub mod description;
pub mod health;
pub mod imports;
pub mod jobs;

use axum::{Extension, Router};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};
use utoipa_axum::routes;

use crate::http::error::ApiError;
use crate::http::response::ApiResponse;
use crate::openapi;
use crate::routes::description::Document;
use crate::state::App;

/// The methods of a resource that can be read.
const READ: &str = "GET, HEAD, OPTIONS";
/// The methods of a resource that can be read and cancelled.
const READ_OR_CANCEL: &str = "GET, HEAD, DELETE, OPTIONS";
/// The methods of a resource that accepts uploads.
const UPLOAD: &str = "POST, OPTIONS";

/// All paths, and the document that describes them.
pub fn routes() -> Router<App> {
    let (router, document) = OpenApiRouter::with_openapi(openapi::frame())
        .routes(resource(UPLOAD, routes!(imports::users)))
        .routes(resource(UPLOAD, routes!(imports::user_groups)))
        .routes(resource(READ, routes!(jobs::list)))
        .routes(resource(READ_OR_CANCEL, routes!(jobs::show, jobs::cancel)))
        .routes(resource(READ, routes!(health::live)))
        .routes(resource(READ, routes!(health::ready)))
        .routes(resource(READ, routes!(description::document)))
        .routes(resource(READ, routes!(description::page_redirect)))
        .routes(resource(READ, routes!(description::page)))
        .routes(resource(READ, routes!(description::page_file)))
        .split_for_parts();
    router.layer(Extension(Document::new(&document))).fallback(async || ApiError::PathNotFound)
}

/// A path that lists its methods in the response to OPTIONS and to any other method.
fn resource(
    methods: &'static str,
    (schemas, mut paths, handlers): UtoipaMethodRouter<App>,
) -> UtoipaMethodRouter<App> {
    for item in paths.paths.values_mut() {
        openapi::methods::complete(item);
    }
    let handlers = handlers
        .options(async move || ApiResponse::AllowedMethods(methods))
        .fallback(async move || ApiError::MethodNotAllowed(methods));
    (schemas, paths, handlers)
}
