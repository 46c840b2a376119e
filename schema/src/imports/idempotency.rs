//! `Idempotency-Key`: an upload sent again under the same key is the same import.

use super::model::Endpoint;
use crate::ids::{ImportId, TenantId};
use crate::postgres::client::Session;
use crate::uploads::StoredUpload;

/// Bytes of a key, at most. A UUID has 36.
const MAX_KEY_BYTES: usize = 255;

const FIND_BY_KEY: &str = include_str!("sql/find_by_key.sql");
const FORGET_EXPIRED_KEYS: &str = include_str!("sql/forget_expired_keys.sql");

pub(crate) const STATEMENTS: &[(&str, &str)] =
    &[("find_by_key", FIND_BY_KEY), ("forget_expired_keys", FORGET_EXPIRED_KEYS)];

/// A client's name for an upload, so that it may send the upload again if it does not know whether the first one arrived.
/// For a day, a tenant's key stands for the same import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Parses the header; `None` if the key is empty, longer than 255 bytes or contains anything but visible ASCII
    /// characters. Quotes around it, which the header's draft standard demands and few clients send, are removed.
    pub fn parse(header: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(header).ok()?.trim();
        let key = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
        let valid =
            (1..=MAX_KEY_BYTES).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
        valid.then(|| Self(key.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The import of a key.
pub(super) struct KnownImport {
    pub import: ImportId,
    /// Whether the same file was posted to the same endpoint with the same charset.
    pub same_upload: bool,
}

/// The import that was submitted under a key, compared with an upload that came under the same key. `None` if the key is
/// unknown or has expired.
pub(super) async fn find(
    session: &Session,
    tenant: TenantId,
    key: &IdempotencyKey,
    endpoint: Endpoint,
    upload: &StoredUpload,
    charset: Option<&str>,
) -> Result<Option<KnownImport>, tokio_postgres::Error> {
    let sha256 = upload.sha256.as_slice();
    let row = session.query_opt(FIND_BY_KEY, &[&tenant, &key.as_str(), &endpoint, &sha256, &charset]).await?;
    row.map(|row| Ok(KnownImport { import: row.try_get(0)?, same_upload: row.try_get(1)? })).transpose()
}

/// Deletes expired keys; returns how many.
pub async fn forget_expired(session: &Session) -> Result<u64, tokio_postgres::Error> {
    session.execute(FORGET_EXPIRED_KEYS, &[]).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_visible_ascii() {
        let parse = |header: &str| IdempotencyKey::parse(header.as_bytes());
        assert_eq!(parse("\"night-7\""), parse("night-7"));
        assert_eq!(parse(" night-7 "), parse("night-7"));
        assert!(parse(&"k".repeat(255)).is_some());
        for bad in ["", " ", "\"\"", "two words", "\u{e9}", "tab\tbed", &"k".repeat(256)] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }
}
