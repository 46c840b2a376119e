-- $1 worker, $2 seconds for which a living worker is silent at most, $3 what it knows of RabbitMQ, $4 and $5 imports of
-- either lane that it could begin now
insert into workers as known (id, silent_after, rabbitmq, free_small, free_bulk)
values ($1, $2::float8 * interval '1 second', $3, $4, $5)
on conflict (id) do update
   set contact_since = case when known.seen_at + known.silent_after < now() then now() else known.contact_since end,
       seen_at = now(), silent_after = excluded.silent_after, rabbitmq = excluded.rabbitmq,
       free_small = excluded.free_small, free_bulk = excluded.free_bulk
