-- $1 tenant, $2 import, $3 attempt, $4 delay in seconds, $5 failures to add, $6 what it waits for, or null
--
-- An import that waits for something is put off for longer each time: 1, 2, 4, … s, a minute at most, scaled at random by
-- 0.5 to 1, so that imports that failed together are not tried again together.
update imports
   set state = 'queued', lease_until = null, failures = failures + $5, waiting = $6::text,
       retries = retries + case when $6::text is null then 0 else 1 end,
       not_before = now() + interval '1 second'
                  * case when $6::text is null then $4
                         else least(2.0 ^ least(retries, 6), 60) * (0.5 + random() / 2) end,
       published_at = null, publish_count = 0
 where tenant_id = $1 and id = $2 and attempt = $3 and state = 'running'
