-- $1 tenants, $2 imports of stored uploads. Only of known tenants: an upload of another database's tenant, in a folder
-- that two services share, is not ours to delete.
select stored.tenant_id, stored.id
  from unnest($1::uuid[], $2::uuid[]) as stored (tenant_id, id)
  join tenants on tenants.id = stored.tenant_id
  left join imports on imports.tenant_id = stored.tenant_id and imports.id = stored.id
 where imports.id is null or imports.upload_deleted_at is not null
