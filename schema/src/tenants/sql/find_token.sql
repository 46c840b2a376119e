-- $1 SHA-256 of the token. Its tenant is not known yet; the function gives ids only.
select tokens.id, tokens.name, tokens.tenant_id, tenants.name as tenant_name, tenants.upload_limit_bytes
  from find_import_token($1) as found
  join import_tokens as tokens on tokens.tenant_id = found.tenant_id and tokens.id = found.id
  join tenants on tenants.id = found.tenant_id
 where tokens.expires_at is null or tokens.expires_at > now()
