//! What a request claims about its sender and its tenant. Nothing is verified here.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::http::HeaderName;
use axum::http::header::{AUTHORIZATION, HOST};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use rollcall_schema::ids::ImportId;
use url::form_urlencoded;
use zeroize::Zeroizing;

/// Padding is optional: some clients leave it out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A username and a password.
pub struct Credentials {
    pub username: String,
    /// In UTF-8.
    pub password: Zeroizing<Vec<u8>>,
}

impl Credentials {
    /// Reads HTTP Basic credentials (RFC 7617), if there are any. They are decoded as UTF-8, or as Latin-1 if they
    /// are not valid UTF-8: older clients send that.
    pub fn read(parts: &Parts) -> Option<Self> {
        let header = parts.headers.get(AUTHORIZATION)?.as_bytes();
        let (scheme, encoded) = header.split_at(header.iter().position(|&byte| byte == b' ')?);
        if !scheme.eq_ignore_ascii_case(b"basic") {
            return None;
        }
        let decoded = Zeroizing::new(BASE64.decode(encoded.trim_ascii()).ok()?);
        let text = Zeroizing::new(match std::str::from_utf8(&decoded) {
            Ok(text) => text.to_owned(),
            Err(_) => decoded.iter().copied().map(char::from).collect(),
        });
        // A password may contain a colon, a username may not.
        let (username, password) = text.split_once(':')?;
        Some(Self { username: username.to_owned(), password: Zeroizing::new(password.as_bytes().to_vec()) })
    }
}

/// The query parameter `tenantId`. An empty one counts as absent.
pub fn tenant_id(parts: &Parts) -> Option<String> {
    let query = parts.uri.query()?;
    form_urlencoded::parse(query.as_bytes())
        .find(|(name, value)| name == "tenantId" && !value.is_empty())
        .map(|(_, value)| value.into_owned())
}

/// The host name that the request is addressed to, without the port.
pub fn host(parts: &Parts) -> Option<String> {
    // A host in the request target overrides the header (RFC 9112, section 3.2.2).
    if let Some(host) = parts.uri.host() {
        return Some(host.to_owned());
    }
    let authority: Authority = parts.headers.get(HOST)?.to_str().ok()?.parse().ok()?;
    Some(authority.host().to_owned())
}

/// The import that the request's path names.
pub fn import_id(parts: &Parts) -> Option<ImportId> {
    parts.uri.path().strip_prefix("/api/import/jobs/")?.parse().ok()
}

/// The client's address: the last one in the header of a trusted proxy, else that of the connection.
pub fn client_ip(parts: &Parts, proxy_header: Option<&HeaderName>) -> IpAddr {
    let forwarded = proxy_header.and_then(|header| {
        let last = parts.headers.get_all(header).iter().next_back()?.to_str().ok()?;
        last.rsplit(',').next()?.trim().parse::<IpAddr>().ok()
    });
    let connected = || parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    forwarded.or_else(connected).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

/// Whether Postgres accepts this as a text value: a NUL makes the query fail.
pub fn is_postgres_text(text: &str) -> bool {
    !text.contains('\0')
}

#[cfg(test)]
mod tests {
    use axum::http::Request;
    use base64::prelude::BASE64_STANDARD;

    use super::*;

    fn parts(uri: &str, name: &str, value: &[u8]) -> Parts {
        Request::builder().uri(uri).header(name, value).body(()).expect("a request").into_parts().0
    }

    fn read(authorization: &[u8]) -> Option<(String, Vec<u8>)> {
        let found = Credentials::read(&parts("/", "authorization", authorization))?;
        Some((found.username, found.password.to_vec()))
    }

    fn basic(pair: &[u8]) -> Vec<u8> {
        format!("Basic {}", BASE64_STANDARD.encode(pair)).into_bytes()
    }

    #[test]
    fn credentials_are_read_as_clients_write_them() {
        let expected =
            |username: &str, password: &str| Some((username.to_owned(), password.as_bytes().to_vec()));
        assert_eq!(read(&basic(b"jane:swordfish")), expected("jane", "swordfish"));
        assert_eq!(read(b"bAsIc   amFuZTpzd29yZGZpc2g= "), expected("jane", "swordfish"));
        assert_eq!(read(b"Basic amFuZTpzd29yZGZpc2g"), expected("jane", "swordfish"));
        assert_eq!(read(&basic(b"jane:sword:fish")), expected("jane", "sword:fish"));
        assert_eq!(read(&basic(b":")), expected("", ""));
        assert_eq!(read(&basic("jörg:schlüssel".as_bytes())), expected("jörg", "schlüssel"));
        assert_eq!(read(&basic(b"j\xf6rg:schl\xfcssel")), expected("jörg", "schlüssel"));
    }

    #[test]
    fn only_basic_credentials_are_read() {
        for header in [&b"Bearer amFuZTpzd29yZGZpc2g="[..], b"Basic", b"Basic !", b"Basic amFuZQ==", b""] {
            assert!(read(header).is_none(), "{}", String::from_utf8_lossy(header));
        }
    }

    #[test]
    fn the_tenant_comes_from_query_or_host() {
        let tenant_id = |uri| tenant_id(&parts(uri, "host", b"x"));
        assert_eq!(tenant_id("/?tenantId=north%20side&x=y").as_deref(), Some("north side"));
        assert_eq!(tenant_id("/?tenantId=&tenantId=south").as_deref(), Some("south"));
        assert_eq!(tenant_id("/?tenantid=south"), None);
        assert_eq!(tenant_id("/"), None);
        let host = |value| host(&parts("/", "host", value));
        assert_eq!(host(b"north.example:8443").as_deref(), Some("north.example"));
        assert_eq!(host(b"[::1]:8443").as_deref(), Some("[::1]"));
        assert_eq!(host(b""), None);
        assert_eq!(
            super::host(&parts("http://south.example/", "host", b"x")).as_deref(),
            Some("south.example")
        );
    }
}
