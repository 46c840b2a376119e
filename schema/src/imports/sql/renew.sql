-- $1 tenant, $2 import, $3 attempt, $4 length of the lease in seconds. Never shortens the lease: this statement may have
-- waited for a chunk that renewed it, too.
update imports
   set lease_until = greatest(lease_until, clock_timestamp() + $4 * interval '1 second')
 where tenant_id = $1 and id = $2 and attempt = $3 and state = 'running'
