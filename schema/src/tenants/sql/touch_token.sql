-- $1 tenant, $2 token, $3 the client's address
update import_tokens
   set last_used_at = now(), last_used_from = $3
 where tenant_id = $1 and id = $2 and (last_used_at is null or last_used_at < now() - interval '1 minute')
