-- $1 tenant, $2 import, $3 attempt, $4 delay in seconds, $5 failures to add
update imports
   set state = 'queued', lease_until = null, failures = failures + $5,
       not_before = now() + $4 * interval '1 second', published_at = null, publish_count = 0
 where tenant_id = $1 and id = $2 and attempt = $3 and state = 'running'
