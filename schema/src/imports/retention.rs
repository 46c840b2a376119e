//! Which uploads are still of use.

use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types;
use diesel_async::RunQueryDsl;

use crate::database::Connection;
use crate::edge::{self, Edge};
use crate::ids::{ImportId, TenantId};
use crate::statement::statement;

#[derive(QueryableByName)]
struct Key {
    #[diesel(sql_type = sql_types::Uuid)]
    tenant_id: TenantId,
    #[diesel(sql_type = sql_types::Uuid)]
    id: ImportId,
}

/// Gives up the uploads of some of the imports that finished longer than `kept` ago, `limit` at most, and returns them.
/// They are to be deleted now that nobody can put their import into line again; one that is not deleted is
/// [ownerless](ownerless).
pub async fn give_up(
    conn: &mut Connection,
    kept: Duration,
    limit: i64,
) -> QueryResult<Vec<(TenantId, ImportId)>> {
    let given_up: Vec<Key> = statement(
        "update imports set upload_deleted_at = now()
          where (tenant_id, id) in
                (select tenant_id, id from imports
                  where state = 'finished' and upload_deleted_at is null
                    and finished_at < now() - $1 * interval '1 second'
                  order by finished_at limit $2
                    for no key update skip locked)
         returning tenant_id, id",
    )
    .bind::<sql_types::Double, _>(kept.as_secs_f64())
    .bind::<sql_types::BigInt, _>(limit)
    .load(conn)
    .await?;
    for key in &given_up {
        edge::pass_for(key.tenant_id, Edge::AfterUploadsGivenUpCommit);
    }
    Ok(given_up.into_iter().map(|key| (key.tenant_id, key.id)).collect())
}

/// Those of some stored uploads that no import needs: it never was, or was given them up. Of tenants that there are:
/// what belongs to another database's tenant, in a folder that two services share, is not ours to judge.
pub async fn ownerless(
    conn: &mut Connection,
    uploads: &[(TenantId, ImportId)],
) -> QueryResult<Vec<(TenantId, ImportId)>> {
    let keys: Vec<Key> = statement(
        "select stored.tenant_id, stored.id
           from unnest($1, $2) as stored (tenant_id, id)
           join tenants on tenants.id = stored.tenant_id
           left join imports on imports.tenant_id = stored.tenant_id and imports.id = stored.id
          where imports.id is null or imports.upload_deleted_at is not null",
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
