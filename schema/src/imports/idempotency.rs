//! `Idempotency-Key`: an upload that is sent again under its key is the import that it was.

use diesel::prelude::*;
use diesel::sql_types;
use diesel_async::RunQueryDsl;

use super::Submission;
use crate::database::Connection;
use crate::ids::ImportId;
use crate::statement::statement;

/// Bytes of a key. A UUID has 36.
const LONGEST: usize = 255;

/// What a client calls an upload, so that it may send it again without knowing what became of it. One of a tenant's keys
/// stands for the same import for a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Reads a key as the header has it; `None` for one that is empty, longer than 255 bytes or not of visible ASCII
    /// characters. Quotes around it, which the header's draft standard demands and few clients send, are not part of it.
    pub fn parse(header: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(header).ok()?.trim();
        let key = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
        let good = (1..=LONGEST).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
        good.then(|| Self(key.to_owned()))
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The import that a key stands for.
#[derive(QueryableByName)]
pub(super) struct Known {
    #[diesel(sql_type = sql_types::Uuid)]
    pub import: ImportId,
    /// Whether the same file was posted to the same address, to be read in the same way.
    #[diesel(sql_type = sql_types::Bool)]
    pub same_upload: bool,
}

/// The import that stands under the key of a submission.
pub(super) async fn find(
    conn: &mut Connection,
    submission: &Submission,
    key: &IdempotencyKey,
) -> QueryResult<Known> {
    statement(
        "select imports.id as import, (imports.endpoint = $3 and imports.upload_sha256 = $4
                                    and imports.charset is not distinct from $5) as same_upload
           from idempotency_keys join imports
             on imports.tenant_id = idempotency_keys.tenant_id and imports.id = idempotency_keys.import_id
          where idempotency_keys.tenant_id = $1 and idempotency_keys.key = $2",
    )
    .bind::<sql_types::Uuid, _>(submission.tenant)
    .bind::<sql_types::Text, _>(key.as_str())
    .bind::<sql_types::Text, _>(submission.endpoint.as_str())
    .bind::<sql_types::Binary, _>(submission.stored.sha256.as_slice())
    .bind::<sql_types::Nullable<sql_types::Text>, _>(submission.charset.as_deref())
    .get_result(conn)
    .await
}

/// Forgets the keys that stand for nothing any more; returns how many.
pub async fn forget_expired(conn: &mut Connection) -> QueryResult<usize> {
    statement("delete from idempotency_keys where created_at < now() - interval '24 hours'")
        .execute(conn)
        .await
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
