-- $1 tenant, $2 the last user of the batch; null at the end of the pass, which resets the relay's backoff
update hash_queue
   set hashed_up_to = coalesce($2, hashed_up_to),
       publish_count = case when $2 is not null then publish_count else 0 end
 where tenant_id = $1
