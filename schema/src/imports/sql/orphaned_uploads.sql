-- $1 tenants, $2 imports of stored uploads. Only of known tenants: an upload of another database's tenant, in a folder
-- that two services share, is not ours to delete.
select stored.tenant_id, stored.id
  from unnest($1::uuid[], $2::uuid[]) as stored (tenant_id, id)
  join every_tenant on every_tenant.id = stored.tenant_id
  left join every_import known on known.tenant_id = stored.tenant_id and known.id = stored.id
 where known.id is null or known.upload_deleted_at is not null
