-- The installation's data keys, the upload store that it uses, and limits on what one file can leave for ever.

-- One row. Processes that start lock it while they create what the installation has one of.
create table installation (
    only_row         boolean primary key default true check (only_row),
    -- Whether something was sealed before there were data keys, with keys derived from the service key itself. Found out
    -- here and not by a process: the migration may read every tenant's rows.
    sealed_directly  boolean not null,
    -- The marker in the upload store: a store without it is another one. Null until the first start.
    upload_store     uuid
);
insert into installation (sealed_directly)
select exists (select from imports)
       or exists (select from users
                   where password_sealed is not null or password_fingerprint is not null
                      or row_digest is not null);

-- The service keys that open the data keys: one, and two while the key is rotated.
create table service_keys (
    -- Derived from the key; reveals nothing of it.
    id        text primary key,
    added_at  timestamptz not null default clock_timestamp()
);

-- What is sealed and digested with. 0 is the first service key itself, of installations that sealed with it.
create table data_keys (
    id          integer primary key check (id >= 0),
    -- `digests`: fingerprints and row digests, one key for ever. `seals`: uploads and waiting passwords; the newest seals,
    -- all of them open.
    purpose     text not null check (purpose in ('digests', 'seals')),
    created_at  timestamptz not null default now()
);
create unique index data_keys_one_for_digests on data_keys (purpose) where purpose = 'digests';

create table wrapped_keys (
    service_key_id  text not null references service_keys on delete cascade,
    data_key_id     integer not null references data_keys,
    wrapped         bytea not null,
    primary key (service_key_id, data_key_id)
);

-- New presentation groups that one import may make.
alter table tenants
    add column presentation_group_limit integer not null default 10000 check (presentation_group_limit >= 0),
    -- The queue position up to which the tenant's presentation groups were searched for unused ones.
    add column groups_swept_position bigint not null default 0;
alter table imports add column new_groups bigint not null default 0;
-- False for a group that an operator made: it is kept while it is empty. Constant defaults rewrite no table.
alter table presentation_groups add column imported boolean not null default true;

-- A foreign key is checked row by row: for each user it locks the group, which writes it, and to delete a group it would
-- read all users. Groups are deleted only while no import can refer to them: see `sweep_groups.sql`.
set local lock_timeout = '2s';
alter table users drop constraint users_tenant_id_presentation_group_id_fkey;
