-- An import may also be cancelled.
alter table imports drop constraint imports_failure_kind_check;
alter table imports add constraint imports_failure_kind_check
    check (failure_kind in ('refused', 'abandoned', 'cancelled'));

-- Uploads are kept for a while once their import has finished, for who wants to run it again, and then deleted.
alter table imports add column upload_deleted_at timestamptz;
create index imports_upload_kept on imports (finished_at)
    where state = 'finished' and upload_deleted_at is null;

-- Whether an import's worker fell silent and another may take over. An import whose workers keep falling silent may be
-- what silences them: each time it waits longer, and not as long as its neighbours on the same worker, so that they get
-- on without it.
create function lease_is_over(state text, lease_until timestamptz, failures integer, id uuid)
    returns boolean language sql stable parallel safe as $$
    select state = 'running'
       and lease_until + case when failures = 0 then interval '0'
                              else least(4.0 ^ (failures - 1), 300) * interval '1 second'
                                   * (0.5 + (hashtext(id::text) & 1023) / 1024.0)
                         end < now()
$$;

-- What was given up and is not known to be among the dead letters yet.
update imports set woken_at = coalesce(woken_at, now()) where failure_kind = 'abandoned';
create index imports_dead_letter_due on imports (finished_at)
    where failure_kind = 'abandoned' and woken_at is null;

-- The same key, from the same tenant within a day, is the same import: the primary key decides, whatever number of
-- requests come at once.
create table idempotency_keys (
    tenant_id   uuid not null,
    key         text not null,
    import_id   uuid not null,
    created_at  timestamptz not null default now(),
    primary key (tenant_id, key),
    foreign key (tenant_id, import_id) references imports (tenant_id, id) on delete cascade
);
create index idempotency_keys_age on idempotency_keys (created_at);
