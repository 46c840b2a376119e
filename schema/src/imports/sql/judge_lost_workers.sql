-- $1 tenant, $2 import, $3 attempt, $4 holder, $5 the worker whose lease expired before this claim, or null
--
-- Keeps those of an import's lost workers that are silent, and says how many of them count as failures. One that lives, or
-- was told to stop, did not die of the file: the database was away, or slow.
with silent as materialized (
    select distinct lost.id
      from imports cross join unnest(lost_workers) as lost (id)
     where imports.tenant_id = $1 and imports.id = $2
       and not exists (select from workers
                        where workers.id = lost.id and (stopping or seen_at + silent_after > now()))
),
-- The worker that was lost just now can be called silent only by one that has been listening for as long.
listening as materialized (
    select exists (select from workers
                    where id = $4 and seen_at + silent_after > now() and contact_since + silent_after < now()) as long_enough
)
update imports
   set lost_workers = (select coalesce(array_agg(silent.id), '{}') from silent)
 where tenant_id = $1 and id = $2 and attempt = $3 and state = 'running'
returning failures + (select count(*)::integer from silent, listening
                       where listening.long_enough or silent.id is distinct from $5)
