//! HTTP/1.0 knows no chunked encoding: a response whose length is not known in advance ends with its connection.

use axum::extract::Request;
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, Version};
use axum::middleware::Next;
use axum::response::Response;
use http_body::Body as _;

/// The middleware that says so in the response. hyper would promise to keep the connection open if the client wishes it,
/// and the client would take the response for one without a body, or wait for its end for ever.
pub async fn close_after_streaming(request: Request, next: Next) -> Response {
    let is_http_1_0 = request.version() == Version::HTTP_10;
    let mut response = next.run(request).await;
    if is_http_1_0 && response.body().size_hint().exact().is_none() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
