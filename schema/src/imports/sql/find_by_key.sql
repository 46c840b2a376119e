-- $1 tenant, $2 key, $3 endpoint, $4 SHA-256, $5 charset. The import of an idempotency key, and whether its upload is
-- the same file, posted to the same address, to be read in the same way.
select imports.id,
       imports.endpoint = $3 and imports.upload_sha256 = $4 and imports.charset is not distinct from $5
  from idempotency_keys
  join imports on imports.tenant_id = idempotency_keys.tenant_id and imports.id = idempotency_keys.import_id
 where idempotency_keys.tenant_id = $1 and idempotency_keys.key = $2
   and idempotency_keys.created_at >= now() - interval '24 hours'
