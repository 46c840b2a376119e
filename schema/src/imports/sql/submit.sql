-- $1 tenant, $2 import, $3 endpoint, $4 lane, $5 bytes, $6 SHA-256, $7 charset, $8 user, $9 username,
-- $10 traceparent, $11 tracestate, $12 idempotency key or null, $13 token, $14 kind of actor, $15 actor, $16 its address,
-- $17 the action in the audit
--
-- The lock on the tenant's row lasts until the commit, so queue positions follow the order of commits: the head of a line
-- is never overtaken by an import that got an earlier position and commits later. It is taken before all else, so that
-- the limit on unfinished imports is judged by what every earlier submission has committed. A second request with the
-- same key waits for the first and then takes no position.
--
-- Returns no row if the tenant does not exist. `is_head` is null if the import was not added: because the line is full, or
-- because the key is known.
with line as materialized (
    select max_queued_imports from tenants where id = $1 for no key update
),
room as materialized (
    select queue_has_room($1, max_queued_imports) as free, max_queued_imports from line
),
new_key as (
    insert into idempotency_keys as kept (tenant_id, key, import_id)
    select $1::uuid, $12::text, $2::uuid from room where free and $12 is not null
    on conflict (tenant_id, key) do update
       set import_id = excluded.import_id, created_at = now()
     where kept.created_at < now() - interval '24 hours'
    returning key
),
taken as (
    update tenants
       set last_position = last_position + 1
     where id = $1 and (select free from room) and ($12 is null or exists (select from new_key))
    returning last_position
),
audited as (
    insert into audit (tenant_id, actor_kind, actor, origin, action, object, details)
    select $1, $14::text, $15::text, $16::text, $17::text, $2::uuid::text, $3::text || ', ' || $5::bigint || ' bytes'
      from taken
),
added as (
    insert into imports (tenant_id, id, queue_position, endpoint, lane, upload_bytes, upload_sha256, charset,
                         submitted_by, submitted_token, submitted_as, submitted_from, traceparent, tracestate)
    select $1, $2, taken.last_position, $3::text, $4::text, $5::bigint, $6::bytea, $7::text,
           $8::uuid, $13::uuid, $9::text, $16::text, $10::text, $11::text
      from taken
    -- Without this import: a statement does not see what it inserts.
    returning not exists (select from line_heads where tenant_id = $1) as is_head
)
select added.is_head, room.free, room.max_queued_imports
  from room left join added on true
