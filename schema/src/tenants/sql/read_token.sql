-- $1 tenant, $2 token. A token that has expired is none.
select tokens.id, tokens.name, tokens.tenant_id, tenants.name as tenant_name, tenants.upload_limit_bytes
  from import_tokens as tokens
  join tenants on tenants.id = tokens.tenant_id
 where tokens.tenant_id = $1 and tokens.id = $2 and (tokens.expires_at is null or tokens.expires_at > now())
