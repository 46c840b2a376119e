//! What a request says of who sends it and which tenant it is for. Nothing here is believed yet.

use axum::http::header::{AUTHORIZATION, HOST};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use url::form_urlencoded;
use zeroize::Zeroizing;

/// As lenient about the padding as the clients there are.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A username and a password.
pub struct Credentials {
    /// The username as it was given.
    pub username: String,
    /// The password in UTF-8.
    pub password: Zeroizing<Vec<u8>>,
}

impl Credentials {
    /// Reads HTTP Basic credentials (RFC 7617): in UTF-8, or in Latin-1 if they are not UTF-8, as older clients
    /// send them. `None` if there are none.
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
        // A password may have a colon in it, a username may not.
        let (username, password) = text.split_once(':')?;
        Some(Self { username: username.to_owned(), password: Zeroizing::new(password.as_bytes().to_vec()) })
    }
}

/// The tenant that the query names, if it does: `?tenantId=`. An empty one is none.
pub fn named_tenant(parts: &Parts) -> Option<String> {
    let query = parts.uri.query()?;
    form_urlencoded::parse(query.as_bytes())
        .find(|(name, value)| name == "tenantId" && !value.is_empty())
        .map(|(_, value)| value.into_owned())
}

/// The host name that the request is for, without the port.
pub fn host(parts: &Parts) -> Option<String> {
    // A request to a proxy names it in the address itself, which goes before the header (RFC 9112, section 3.2.2).
    if let Some(host) = parts.uri.host() {
        return Some(host.to_owned());
    }
    let authority: Authority = parts.headers.get(HOST)?.to_str().ok()?.parse().ok()?;
    Some(authority.host().to_owned())
}

/// Whether Postgres can be asked for this text at all: it has no NUL in a text.
pub fn can_be_stored(text: &str) -> bool {
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
    fn what_is_not_basic_is_nothing() {
        for header in [&b"Bearer amFuZTpzd29yZGZpc2g="[..], b"Basic", b"Basic !", b"Basic amFuZQ==", b""] {
            assert!(read(header).is_none(), "{}", String::from_utf8_lossy(header));
        }
    }

    #[test]
    fn the_tenant_is_named_by_query_or_host() {
        let named = |uri| named_tenant(&parts(uri, "host", b"x"));
        assert_eq!(named("/?tenantId=north%20side&x=y").as_deref(), Some("north side"));
        assert_eq!(named("/?tenantId=&tenantId=south").as_deref(), Some("south"));
        assert_eq!(named("/?tenantid=south"), None);
        assert_eq!(named("/"), None);
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
