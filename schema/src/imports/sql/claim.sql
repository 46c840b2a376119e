-- $1 tenant, $2 import, $3 holder, $4 length of the lease in seconds
--
-- The row is locked before it is written: an update computes its values before it waits for a lock, so the lease could
-- have expired by the time it is stored.
with free as materialized (
    select tenant_id, id
      from imports
     where tenant_id = $1 and id = $2
       and (state = 'queued' and not_before <= now() or lease_expired(state, lease_until, failures, id))
       and id = (select id from line_heads where tenant_id = $1 limit 1)
       for update
)
update imports
   set state = 'running', attempt = attempt + 1, lease_holder = $3,
       lease_until = clock_timestamp() + $4 * interval '1 second',
       -- An expired lease was a failure: its worker died, hung or was disconnected.
       failures = failures + (case when state = 'running' then 1 else 0 end),
       started_at = coalesce(started_at, clock_timestamp()), published_at = null, publish_count = 0
  from free
 where imports.tenant_id = free.tenant_id and imports.id = free.id
returning attempt, endpoint, charset, rows_done, failures,
          (select password_policy from tenants where tenants.id = $1),
          (select protect_administrators from tenants where tenants.id = $1),
          (select presentation_group_limit from tenants where tenants.id = $1)
