-- How far the hashing of each tenant's waiting passwords is, and when it was last heard of. Which passwords wait
-- is told by `users.password_sealed` alone: losing a row here costs nothing but time.
--
-- There is no foreign key to `tenants`, as `users` has none: a user without a tenant must not stop the relay.
create table hashing_turns (
    tenant_id  uuid primary key,
    -- When a turn of this tenant was last published or taken. Null: the publishing failed, and is due at once.
    woken_at   timestamptz,
    -- Turns that the relay has published since the last pass began or ended. The wait doubles with each.
    wake_ups   integer not null default 0,
    -- The pass: the waiting passwords up to this user have been taken, in the order of `users_waiting_for_hash`.
    taken_to   uuid not null default '00000000-0000-0000-0000-000000000000'
);
