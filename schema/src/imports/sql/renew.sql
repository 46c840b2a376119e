-- $1 tenant, $2 import, $3 attempt, $4 length of the lease in seconds. Never shortens the lease: this statement may have
-- waited for a chunk that renewed it, too. Says whether a chunk waits for another session's lock: its sessions carry the
-- import's id as their application's name.
update imports
   set lease_until = greatest(lease_until, clock_timestamp() + $4 * interval '1 second'),
       waiting = case when exists (select from pg_stat_activity
                                    where datname = current_database() and application_name = 'rollcall ' || $2::uuid
                                      and wait_event_type = 'Lock'
                                      and query_start < clock_timestamp() - interval '2 seconds')
                      then 'a lock in the database' end
 where tenant_id = $1 and id = $2 and attempt = $3 and state = 'running'
