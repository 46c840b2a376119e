//! The resources, a file each: parse, one call, wrap.

pub mod health;
pub mod imports;
pub mod jobs;

use axum::Router;
use axum::routing::{MethodRouter, get, post};

use crate::http::error::ApiError;
use crate::http::response::ApiResponse;
use crate::state::App;

/// The methods of what is read.
const READ: &str = "GET, HEAD, OPTIONS";
/// The methods of what is read and can be cancelled.
const READ_OR_CANCEL: &str = "GET, HEAD, DELETE, OPTIONS";
/// The methods of what is sent to.
const SEND: &str = "POST, OPTIONS";

/// Every path there is.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/api/import/users", resource(SEND, post(imports::users)))
        .route("/api/import/userGroups", resource(SEND, post(imports::user_groups)))
        .route("/api/import/jobs", resource(READ, get(jobs::list)))
        .route("/api/import/jobs/{id}", resource(READ_OR_CANCEL, get(jobs::show).delete(jobs::cancel)))
        .route("/health", resource(READ, get(health::live)))
        .route("/ready", resource(READ, get(health::ready)))
        .fallback(async || ApiError::PathNotFound)
}

/// A path that says which methods it knows, when asked and when another is used.
fn resource(methods: &'static str, handlers: MethodRouter<App>) -> MethodRouter<App> {
    handlers
        .options(async move || ApiResponse::AllowedMethods(methods))
        .fallback(async move || ApiError::MethodNotAllowed(methods))
}
