-- An import may also be cancelled by hand.
alter table imports drop constraint imports_failure_kind_check;
alter table imports add constraint imports_failure_kind_check
    check (failure_kind in ('refused', 'abandoned', 'cancelled'));

-- Uploads are kept for a while once their import has finished, for who wants to run it again, and then deleted.
alter table imports add column upload_deleted_at timestamptz;
create index imports_upload_kept on imports (finished_at)
    where state = 'finished' and upload_deleted_at is null;

-- What was given up and is not known to be among the dead letters yet.
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
