//! HTTP/1.0 knows no chunked encoding: a response whose length is not known in advance ends with its connection.

use axum::extract::Request;
use axum::http::Version;
use axum::middleware::Next;
use axum::response::Response;

/// The middleware that answers HTTP/1.0 in HTTP/1.0, so that the connection is closed after the response. A response of a
/// later version hyper would mark as `keep-alive` if the client wishes it, even one whose end is that of the connection:
/// the client would take it for one without a body, or wait for its end for ever.
pub async fn answer_in_http_1_0(request: Request, next: Next) -> Response {
    let version = request.version();
    let mut response = next.run(request).await;
    if version == Version::HTTP_10 {
        *response.version_mut() = Version::HTTP_10;
    }
    response
}
