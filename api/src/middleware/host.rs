//! The host that a request is addressed to (RFC 9112, section 3.2): it may decide for which tenant the request is, so it
//! must be one, and the same wherever the request names it.

use axum::extract::Request;
use axum::http::header::HOST;
use axum::http::uri::{Authority, Scheme};
use axum::http::{HeaderMap, Uri, Version};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::http::error::ApiError;

/// The middleware that refuses a request without a host, with two, or with two different ones.
pub async fn require_host(request: Request, next: Next) -> Response {
    match check(request.version(), request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => ApiError::BadHost(problem).into_response(),
    }
}

fn check(version: Version, uri: &Uri, headers: &HeaderMap) -> Result<(), &'static str> {
    let mut given = headers.get_all(HOST).iter();
    let Some(first) = given.next() else {
        // HTTP/1.0 knows no such header. The tenant is then the one that `tenantId` names, or the only one.
        let missing = "has no Host header";
        return if version == Version::HTTP_11 { Err(missing) } else { Ok(()) };
    };
    if given.next().is_some() {
        return Err("has more than one Host header");
    }
    let host = first.to_str().ok().and_then(|text| text.parse::<Authority>().ok());
    let host = host.filter(|host| !host.as_str().contains('@') && !host.host().is_empty());
    let Some(host) = host else { return Err("has a Host header that is not a host name") };
    match uri.authority() {
        Some(target) if !is_same(&host, target, uri.scheme()) => {
            Err("names another host in its URL than in its Host header")
        }
        _ => Ok(()),
    }
}

fn is_same(host: &Authority, target: &Authority, scheme: Option<&Scheme>) -> bool {
    let default = if scheme == Some(&Scheme::HTTP) { 80 } else { 443 };
    let port = |authority: &Authority| authority.port_u16().unwrap_or(default);
    host.host().eq_ignore_ascii_case(target.host()) && port(host) == port(target)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_request_names_one_host() {
        let check = |version, uri: &'static str, hosts: &[&'static str]| {
            let headers = hosts.iter().map(|host| (HOST, HeaderValue::from_static(host))).collect();
            check(version, &Uri::from_static(uri), &headers).is_ok()
        };
        let (new, old) = (Version::HTTP_11, Version::HTTP_10);
        for (version, uri, hosts, accepted) in [
            (new, "/", &["north.example"][..], true),
            (new, "/", &["north.example:8443"], true),
            (new, "/", &["[::1]:8443"], true),
            (new, "/", &[], false),
            (new, "/", &[""], false),
            (new, "/", &["a b"], false),
            (new, "/", &["user@north.example"], false),
            (new, "/", &["north.example/x"], false),
            (new, "/", &["north.example", "north.example"], false),
            (new, "/", &["north.example", "south.example"], false),
            (new, "http://north.example/", &["north.example"], true),
            (new, "http://north.example/", &["NORTH.example:80"], true),
            (new, "https://north.example:443/", &["north.example"], true),
            (new, "http://north.example:8443/", &["north.example"], false),
            (new, "http://south.example/", &["north.example"], false),
            (new, "http://south.example/", &[], false),
            (old, "/", &[], true),
            (old, "/", &["north.example"], true),
            (old, "/", &["north.example", "south.example"], false),
            (old, "http://south.example/", &["north.example"], false),
        ] {
            assert_eq!(check(version, uri, hosts), accepted, "{version:?} {uri} {hosts:?}");
        }
    }
}
