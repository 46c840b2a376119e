-- $1 tenant
insert into hash_queue (tenant_id, published_at)
values ($1, now())
on conflict (tenant_id) do update
   set published_at = now(), publish_count = default, hashed_up_to = default
