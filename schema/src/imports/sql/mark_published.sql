-- $1 tenant, $2 import, $3 attempts so far. Skips an import that was claimed meanwhile, even if it was released again and
-- waits for another wake-up, and one whose row is locked: the relay must not wait for other transactions.
update imports
   set published_at = now(), publish_count = publish_count + 1
 where (tenant_id, id) in
       (select tenant_id, id
          from imports
         where tenant_id = $1 and id = $2 and attempt = $3
           and (state = 'queued' or state = 'running' and lease_until < now())
           for no key update skip locked)
