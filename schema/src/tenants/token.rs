//! Import tokens: secrets with which scripts import, instead of an administrator's password.
//!
//! A token is `rc_`, 40 hexadecimal digits of 160 random bits, and 8 of a checksum. The checksum tells a mistyped or cut
//! token from a wrong one without the database, and lets scanners for leaked secrets be sure. Only the SHA-256 of a token
//! is stored: its bits are random, so nothing slower is needed.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::tenant::FoundTenant;
use crate::crypto::key::fill_random;
use crate::ids::{TenantId, TokenId};
use crate::postgres::client::Session;
use crate::postgres::error::DatabaseError;
use crate::postgres::pool::{Connection, Database};
use crate::postgres::tables::import_tokens;

const PREFIX: &str = "rc_";
const RANDOM_BYTES: usize = 20;
const CHECKSUM_BYTES: usize = 4;
/// Characters of a token.
const LENGTH: usize = PREFIX.len() + 2 * (RANDOM_BYTES + CHECKSUM_BYTES);

const FIND: &str = include_str!("sql/find_token.sql");
const READ: &str = include_str!("sql/read_token.sql");
const TOUCH: &str = include_str!("sql/touch_token.sql");

pub(crate) const STATEMENTS: &[(&str, &str)] =
    &[("find_token", FIND), ("read_token", READ), ("touch_token", TOUCH)];

/// A token as a client sends it.
pub struct ImportToken(Zeroizing<String>);

impl ImportToken {
    /// A new random token.
    pub fn generate() -> Self {
        let mut random = Zeroizing::new([0; RANDOM_BYTES]);
        fill_random(&mut *random);
        let mut text = Zeroizing::new(String::with_capacity(LENGTH));
        text.push_str(PREFIX);
        write_hex(&mut text, &*random);
        let checksum = checksum(&text);
        write_hex(&mut text, &checksum);
        Self(text)
    }

    /// Recognises a token by its prefix, its length and its checksum. It may still be unknown.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        if text.len() != LENGTH || !text.starts_with(PREFIX) {
            return None;
        }
        let (body, found) = text.split_at_checked(LENGTH - 2 * CHECKSUM_BYTES)?;
        let mut expected = String::new();
        write_hex(&mut expected, &checksum(body));
        (found == expected).then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// The text to hand out. It is shown once.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is stored.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }
}

fn checksum(body: &str) -> [u8; CHECKSUM_BYTES] {
    let digest = Sha256::new().chain_update(b"rollcall import token checksum").chain_update(body).finalize();
    let mut checksum = [0; CHECKSUM_BYTES];
    checksum.copy_from_slice(&digest[..CHECKSUM_BYTES]);
    checksum
}

fn write_hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
}

/// A token as it is shown: everything but the secret.
#[derive(Debug, Clone, Serialize, Queryable)]
pub struct TokenView {
    pub id: TokenId,
    pub name: String,
    pub created_at: DateTime<Utc>,
    /// `None`: it does not expire.
    pub expires_at: Option<DateTime<Utc>>,
    /// To the minute.
    pub last_used_at: Option<DateTime<Utc>>,
    /// The client's address.
    pub last_used_from: Option<String>,
}

const COLUMNS: (
    import_tokens::id,
    import_tokens::name,
    import_tokens::created_at,
    import_tokens::expires_at,
    import_tokens::last_used_at,
    import_tokens::last_used_from,
) = (
    import_tokens::id,
    import_tokens::name,
    import_tokens::created_at,
    import_tokens::expires_at,
    import_tokens::last_used_at,
    import_tokens::last_used_from,
);

/// Stores a token. Returns `None` if the tenant has one of this name.
pub async fn add(
    conn: &mut Connection,
    tenant: TenantId,
    name: &str,
    token: &ImportToken,
    expires_at: Option<DateTime<Utc>>,
) -> QueryResult<Option<TokenView>> {
    diesel::insert_into(import_tokens::table)
        .values((
            import_tokens::tenant_id.eq(tenant),
            import_tokens::id.eq(TokenId::generate()),
            import_tokens::name.eq(name),
            import_tokens::digest.eq(token.digest().as_slice()),
            import_tokens::expires_at.eq(expires_at),
        ))
        .on_conflict((import_tokens::tenant_id, import_tokens::name))
        .do_nothing()
        .returning(COLUMNS)
        .get_result(conn)
        .await
        .optional()
}

/// The tenant's tokens, by name, the expired ones included.
pub async fn list(conn: &mut Connection, tenant: TenantId) -> QueryResult<Vec<TokenView>> {
    import_tokens::table
        .filter(import_tokens::tenant_id.eq(tenant))
        .order(import_tokens::name)
        .select(COLUMNS)
        .load(conn)
        .await
}

/// Removes a token. Returns `None` if the tenant has none of this name.
pub async fn remove(conn: &mut Connection, tenant: TenantId, name: &str) -> QueryResult<Option<TokenView>> {
    diesel::delete(import_tokens::table)
        .filter(import_tokens::tenant_id.eq(tenant))
        .filter(import_tokens::name.eq(name))
        .returning(COLUMNS)
        .get_result(conn)
        .await
        .optional()
}

/// A valid token and its tenant.
#[derive(Debug, Clone)]
pub struct FoundToken {
    pub id: TokenId,
    pub name: String,
    pub tenant: FoundTenant,
}

/// Finds a token that has not expired.
pub async fn find(database: &Database, token: &ImportToken) -> Result<Option<FoundToken>, DatabaseError> {
    let found = {
        let session = database.session_for_all().await?;
        session.query_opt(FIND, &[&token.digest().as_slice()]).await?
    };
    let Some(found) = found else { return Ok(None) };
    let (tenant, id): (TenantId, TokenId) = (found.try_get(0)?, found.try_get(1)?);
    let session = database.session_for(tenant).await?;
    let Some(row) = session.query_opt(READ, &[&tenant, &id]).await? else { return Ok(None) };
    Ok(Some(FoundToken {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        tenant: FoundTenant {
            id: row.try_get("tenant_id")?,
            name: row.try_get("tenant_name")?,
            upload_limit_bytes: row.try_get("upload_limit_bytes")?,
        },
    }))
}

/// Notes that a token was used, unless that was noted within the last minute.
pub async fn touch(
    session: &Session,
    tenant: TenantId,
    token: TokenId,
    from: &str,
) -> Result<(), DatabaseError> {
    session.execute(TOUCH, &[&tenant, &token, &from]).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_recognised_and_a_mistyped_one_is_not() {
        let token = ImportToken::generate();
        let text = token.as_str();
        assert_eq!(text.len(), LENGTH);
        assert!(text.starts_with("rc_") && text[3..].bytes().all(|byte| byte.is_ascii_hexdigit()), "{text}");
        assert!(ImportToken::parse(text.as_bytes()).is_some_and(|parsed| parsed.digest() == token.digest()));
        for place in 3..LENGTH {
            let mut mistyped = text.as_bytes().to_vec();
            mistyped[place] = if mistyped[place] == b'0' { b'1' } else { b'0' };
            assert!(ImportToken::parse(&mistyped).is_none(), "{place}");
        }
        for other in [&text[..LENGTH - 1], &format!("{text}0"), "rc_", "", &text[3..]] {
            assert!(ImportToken::parse(other.as_bytes()).is_none(), "{other}");
        }
        assert!(ImportToken::parse(&[0xff; LENGTH]).is_none());
    }

    #[test]
    fn no_two_tokens_are_the_same() {
        assert_ne!(ImportToken::generate().digest(), ImportToken::generate().digest());
    }
}
