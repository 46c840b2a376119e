//! What a request claims about its sender and its tenant. Nothing is verified here.

use axum::http::header::{AUTHORIZATION, HOST};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use rollcall_schema::ids::ImportId;
use rollcall_schema::tenants::token::ImportToken;
use url::form_urlencoded;
use zeroize::Zeroizing;

/// Padding is optional: some clients leave it out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a request proves its sender with.
pub enum Credentials {
    /// HTTP Basic.
    Account {
        username: String,
        /// In UTF-8.
        password: Zeroizing<Vec<u8>>,
    },
    /// An import token: Bearer, or the password of HTTP Basic under any username.
    Token(ImportToken),
}

impl Credentials {
    /// Reads HTTP Basic credentials (RFC 7617) or a bearer token, if there are any.
    pub fn read(parts: &Parts) -> Option<Self> {
        let header = parts.headers.get(AUTHORIZATION)?.as_bytes();
        let (scheme, value) = header.split_at(header.iter().position(|&byte| byte == b' ')?);
        let value = value.trim_ascii();
        if scheme.eq_ignore_ascii_case(b"bearer") {
            return ImportToken::parse(value).map(Self::Token);
        }
        scheme.eq_ignore_ascii_case(b"basic").then(|| Self::read_basic(value)).flatten()
    }

    /// They are decoded as UTF-8, or as Latin-1 if they are not valid UTF-8: older clients send that.
    fn read_basic(encoded: &[u8]) -> Option<Self> {
        let decoded = Zeroizing::new(BASE64.decode(encoded).ok()?);
        let text = Zeroizing::new(match std::str::from_utf8(&decoded) {
            Ok(text) => text.to_owned(),
            Err(_) => decoded.iter().copied().map(char::from).collect(),
        });
        // A password may contain a colon, a username may not.
        let (username, password) = text.split_once(':')?;
        Some(match ImportToken::parse(password.as_bytes()) {
            Some(token) => Self::Token(token),
            None => Self::Account {
                username: username.to_owned(),
                password: Zeroizing::new(password.as_bytes().to_vec()),
            },
        })
    }
}

/// How a request names its tenant.
#[derive(Debug, Clone)]
pub struct TenantClaim {
    pub tenant_id: Option<String>,
    pub host: Option<String>,
    /// The import that the request's path names.
    pub import: Option<ImportId>,
}

impl TenantClaim {
    pub fn read(parts: &Parts) -> Self {
        Self { tenant_id: tenant_id(parts), host: host(parts), import: import_id(parts) }
    }
}

/// The query parameter `tenantId`. An empty one counts as absent.
fn tenant_id(parts: &Parts) -> Option<String> {
    let query = parts.uri.query()?;
    form_urlencoded::parse(query.as_bytes())
        .find(|(name, value)| name == "tenantId" && !value.is_empty())
        .map(|(_, value)| value.into_owned())
}

/// The host name that the request is addressed to, without the port.
fn host(parts: &Parts) -> Option<String> {
    // A host in the request target overrides the header (RFC 9112, section 3.2.2).
    if let Some(host) = parts.uri.host() {
        return Some(host.to_owned());
    }
    let authority: Authority = parts.headers.get(HOST)?.to_str().ok()?.parse().ok()?;
    Some(authority.host().to_owned())
}

/// The import that the request's path names.
fn import_id(parts: &Parts) -> Option<ImportId> {
    parts.uri.path().strip_prefix("/api/import/jobs/")?.parse().ok()
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
        match Credentials::read(&parts("/", "authorization", authorization))? {
            Credentials::Account { username, password } => Some((username, password.to_vec())),
            Credentials::Token(token) => Some(("token".to_owned(), token.as_str().into())),
        }
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
    fn a_token_is_a_bearer_or_a_password() {
        let token = ImportToken::generate();
        let token = token.as_str();
        let expected = Some(("token".to_owned(), token.as_bytes().to_vec()));
        for username in ["", "token", "autoimport"] {
            assert_eq!(read(&basic(format!("{username}:{token}").as_bytes())), expected);
        }
        assert_eq!(read(format!("Bearer {token}").as_bytes()), expected);
        assert_eq!(read(format!("bearer  {token} ").as_bytes()), expected);
        // What is no token is a password like any other.
        let password = &token[..token.len() - 1];
        assert_eq!(
            read(&basic(format!("jane:{password}").as_bytes())),
            Some(("jane".to_owned(), password.into()))
        );
    }

    #[test]
    fn only_these_credentials_are_read() {
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
