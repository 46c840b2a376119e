-- $1 seconds after which a request is published again, $2 limit
--
-- `waiting` goes from one tenant with a waiting password to the next, with one index lookup each: its cost does not
-- grow with the number of passwords. It orders by the whole key: ordered by the tenant alone, the planner may use
-- another index that starts with the tenant and read all users who do not wait.
with recursive waiting (tenant_id) as (
    (select tenant_id from every_waiting_password order by tenant_id, id limit 1)
    union all
    select (select next.tenant_id
              from every_waiting_password next
             where next.tenant_id > waiting.tenant_id
             order by next.tenant_id, next.id
             limit 1)
      from waiting
     where waiting.tenant_id is not null
)
insert into every_hash_pass as queued (tenant_id, published_at, publish_count)
select waiting.tenant_id, now(), 1
  from waiting left join every_hash_pass known on known.tenant_id = waiting.tenant_id
 where waiting.tenant_id is not null
   and (known.published_at is null
        or known.published_at < now() - $1 * interval '1 second' * (2 ^ least(known.publish_count, 7)))
   and not exists (select from every_import running where running.tenant_id = waiting.tenant_id and state = 'running')
 order by waiting.tenant_id
 limit $2
on conflict (tenant_id) do update
   set published_at = now(), publish_count = queued.publish_count + 1, 
       -- Not `default`: a view has none.
       hashed_up_to = '00000000-0000-0000-0000-000000000000'
 -- Checked again on the current row: another relay may have been faster.
 where queued.published_at is null
    or queued.published_at < now() - $1 * interval '1 second' * (2 ^ least(queued.publish_count, 7))
returning queued.tenant_id
