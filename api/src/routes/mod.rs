//! The resources, a file each. A handler parses the request, makes one call, and wraps the result.

pub mod health;
pub mod imports;
pub mod jobs;

use axum::Router;
use axum::routing::{MethodRouter, get, post};

use crate::http::error::ApiError;
use crate::http::response::ApiResponse;
use crate::state::App;

/// The methods of a resource that can be read.
const READ: &str = "GET, HEAD, OPTIONS";
/// The methods of a resource that can be read and cancelled.
const READ_OR_CANCEL: &str = "GET, HEAD, DELETE, OPTIONS";
/// The methods of a resource that accepts uploads.
const UPLOAD: &str = "POST, OPTIONS";

/// All paths.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/api/import/users", resource(UPLOAD, post(imports::users)))
        .route("/api/import/userGroups", resource(UPLOAD, post(imports::user_groups)))
        .route("/api/import/jobs", resource(READ, get(jobs::list)))
        .route("/api/import/jobs/{id}", resource(READ_OR_CANCEL, get(jobs::show).delete(jobs::cancel)))
        .route("/health", resource(READ, get(health::live)))
        .route("/ready", resource(READ, get(health::ready)))
        .fallback(async || ApiError::PathNotFound)
}

/// A path that lists its methods in the response to OPTIONS and to any other method.
fn resource(methods: &'static str, handlers: MethodRouter<App>) -> MethodRouter<App> {
    handlers
        .options(async move || ApiResponse::AllowedMethods(methods))
        .fallback(async move || ApiError::MethodNotAllowed(methods))
}
