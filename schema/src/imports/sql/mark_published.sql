-- $1 tenant, $2 import, $3 attempts so far. Skips an import that was claimed meanwhile, even if it was released again and
-- waits for another wake-up, and one whose row is locked: the relay must not wait for other transactions.
-- Found by its id twice, as in `claim`.
with free as materialized (
    select from imports
     where tenant_id = $1 and id = $2 and attempt = $3
       and (state = 'queued' or state = 'running' and lease_until < now())
       for no key update skip locked
)
update imports
   set published_at = now(), publish_count = publish_count + 1
  from free
 where imports.tenant_id = $1 and imports.id = $2
