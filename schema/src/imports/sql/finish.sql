-- $1 tenant, $2 import, $3 attempt, $4 kind of failure or null, $5 the failure's sentence or null
update imports
   set state = 'finished', finished_at = now(), lease_until = null, failure_kind = $4::text, failure = $5,
       rows_total = case when $4::text is null then rows_done else rows_total end
 where tenant_id = $1 and id = $2 and attempt = $3 and state = 'running'
