//! Which uploads are still of use.

use std::collections::HashSet;
use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types;
use diesel_async::{AsyncConnection as _, RunQueryDsl};

use crate::database::{Connection, DatabaseError};
use crate::ids::{ImportId, TenantId};
use crate::statement::statement;
use crate::upload::{UploadError, UploadStore};

/// Why uploads could not be deleted. They are at the next look.
#[derive(Debug, thiserror::Error)]
pub enum RetentionError {
    /// The database failed.
    #[error("the database could not be asked for uploads")]
    Database(#[from] DatabaseError),
    /// The store failed.
    #[error("the upload store failed")]
    Store(#[from] UploadError),
}

impl From<diesel::result::Error> for RetentionError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Database(error.into())
    }
}

#[derive(QueryableByName)]
struct Key {
    #[diesel(sql_type = sql_types::Uuid)]
    tenant_id: TenantId,
    #[diesel(sql_type = sql_types::Uuid)]
    id: ImportId,
}

/// Deletes the uploads of some of the imports that finished longer than `kept` ago, `limit` at most; returns how many.
///
/// In one transaction that locks the imports: one that is put into line again meanwhile still has its upload, or knows
/// that it has none.
pub async fn delete_finished(
    conn: &mut Connection,
    uploads: &UploadStore,
    kept: Duration,
    limit: i64,
) -> Result<usize, RetentionError> {
    conn.transaction(async |conn| {
        let over: Vec<Key> = statement(
            "select tenant_id, id from imports
              where state = 'finished' and upload_deleted_at is null
                and finished_at < now() - $1 * interval '1 second'
              order by finished_at limit $2
                for update skip locked",
        )
        .bind::<sql_types::Double, _>(kept.as_secs_f64())
        .bind::<sql_types::BigInt, _>(limit)
        .load(conn)
        .await?;
        for key in &over {
            uploads.delete(key.tenant_id, key.id).await?;
        }
        statement(
            "update imports set upload_deleted_at = now()
               from unnest($1, $2) as deleted (tenant_id, id)
              where imports.tenant_id = deleted.tenant_id and imports.id = deleted.id",
        )
        .bind::<sql_types::Array<sql_types::Uuid>, _>(
            over.iter().map(|key| key.tenant_id).collect::<Vec<_>>(),
        )
        .bind::<sql_types::Array<sql_types::Uuid>, _>(over.iter().map(|key| key.id).collect::<Vec<_>>())
        .execute(conn)
        .await?;
        Ok(over.len())
    })
    .await
}

/// Those of the uploads that belong to an import.
pub async fn known(
    conn: &mut Connection,
    uploads: &[(TenantId, ImportId)],
) -> QueryResult<HashSet<(TenantId, ImportId)>> {
    let keys: Vec<Key> = statement(
        "select imports.tenant_id, imports.id
           from unnest($1, $2) as stored (tenant_id, id)
           join imports on imports.tenant_id = stored.tenant_id and imports.id = stored.id",
    )
    .bind::<sql_types::Array<sql_types::Uuid>, _>(
        uploads.iter().map(|(tenant, _)| *tenant).collect::<Vec<_>>(),
    )
    .bind::<sql_types::Array<sql_types::Uuid>, _>(
        uploads.iter().map(|(_, import)| *import).collect::<Vec<_>>(),
    )
    .load(conn)
    .await?;
    Ok(keys.into_iter().map(|key| (key.tenant_id, key.id)).collect())
}
