-- $1 tenant. Locks the pass until the commit, so that batches are taken one after another.
insert into hash_queue (tenant_id, published_at)
values ($1, now())
on conflict (tenant_id) do update set published_at = now()
returning hashed_up_to
