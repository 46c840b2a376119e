-- $1 tenant, $2 import, $3 holder, $4 length of the lease in seconds
--
-- The row is locked before it is written: an update computes its values before it waits for a lock, so the lease could
-- have expired by the time it is stored. It is found by its id twice: joined to the locked row, it might be searched for in
-- an index of all imports.
with free as materialized (
    select case when state = 'running' then lease_holder end as lost_holder
      from imports
     where tenant_id = $1 and id = $2
       and (state = 'queued' and not_before <= now()
            or lease_expired(state, lease_until, failures + cardinality(lost_workers), id))
       and id = (select id from line_heads where tenant_id = $1 limit 1)
       for update
)
update imports
   set state = 'running', attempt = attempt + 1, lease_holder = $3,
       lease_until = clock_timestamp() + $4 * interval '1 second',
       lost_workers = case when lost_holder is null then lost_workers else array_append(lost_workers, lost_holder) end,
       -- A lock may still be held. The first renewal of the lease says whether it is.
       waiting = case when waiting = 'a lock in the database' then waiting end,
       started_at = coalesce(started_at, clock_timestamp()), published_at = null, publish_count = 0
  from free
 where imports.tenant_id = $1 and imports.id = $2
returning attempt, endpoint, charset, rows_done, failures,
          (select password_policy from tenants where tenants.id = $1),
          (select protect_administrators from tenants where tenants.id = $1),
          (select presentation_group_limit from tenants where tenants.id = $1),
          lost_holder, cardinality(lost_workers), upload_bytes
