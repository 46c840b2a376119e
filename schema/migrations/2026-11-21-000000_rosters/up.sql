-- Every key leads with the tenant, so that no query can cross tenants by a forgotten condition on an
-- index, and so that the tables can be distributed by it.

create table tenants (
    id                  uuid primary key,
    -- What a client writes after `?tenantId=`; kept in lower case.
    name                text not null unique check (name = lower(name) and name <> ''),
    password_policy     text not null default 'when-changed'
                        check (password_policy in ('when-changed', 'always', 'on-create')),
    upload_limit_bytes  bigint not null check (upload_limit_bytes > 0),
    -- The place in the tenant's line that the last import was given. Taking the next one locks this row
    -- until the submission commits, so places are given in the order of commit.
    last_place          bigint not null default 0,
    created_at          timestamptz not null default now()
);

create table tenant_hosts (
    tenant_id  uuid not null references tenants on delete cascade,
    host       text not null check (host = lower(host)),
    primary key (tenant_id, host),
    unique (host)
);

create table presentation_groups (
    tenant_id  uuid not null references tenants on delete cascade,
    id         uuid not null,
    label      text not null,
    primary key (tenant_id, id),
    unique (tenant_id, label)
);

create table library_groups (
    tenant_id  uuid not null references tenants on delete cascade,
    id         uuid not null,
    name       text not null,
    primary key (tenant_id, id),
    unique (tenant_id, name)
);

create table system_groups (
    tenant_id              uuid not null references tenants on delete cascade,
    id                     uuid not null,
    name                   text not null,
    grants_administration  boolean not null default false,
    primary key (tenant_id, id),
    unique (tenant_id, name)
);

-- There is no foreign key to `tenants` here: an import has already named its tenant, and checking it again
-- for each of a million rows would cost the import more than its indexes do.
create table users (
    tenant_id               uuid not null,
    id                      uuid not null,
    username                text not null,
    -- The username in lower case: what it is found by.
    username_key            text not null,
    given_name              text,
    surname                 text,
    middle_name             text,
    preferred_name          text,
    email_address           text,
    graduation_year         smallint,
    library_barcode         text,
    admin_system_id         text,
    gender                  text,
    form_class              text,
    enabled                 boolean not null,
    staff_member            boolean not null,
    presentation_group_id   uuid,
    -- An Argon2id string in PHC form. Null while `password_sealed` waits to be hashed, and for users who
    -- cannot log in locally.
    password_hash           text,
    password_sealed         bytea,
    -- A keyed fingerprint of the password that the last import applied; tells an unchanged one.
    password_fingerprint    bytea,
    created_at              timestamptz not null default now(),
    updated_at              timestamptz not null default now(),
    primary key (tenant_id, id),
    unique (tenant_id, username_key),
    unique (tenant_id, library_barcode),
    foreign key (tenant_id, presentation_group_id) references presentation_groups (tenant_id, id)
);

-- The hashing queue: small, and empty most of the time.
create index users_waiting_for_hash on users (tenant_id, id) where password_sealed is not null;

create table library_group_members (
    tenant_id  uuid not null,
    user_id    uuid not null,
    group_id   uuid not null,
    primary key (tenant_id, user_id, group_id),
    foreign key (tenant_id, user_id) references users (tenant_id, id) on delete cascade,
    foreign key (tenant_id, group_id) references library_groups (tenant_id, id) on delete cascade
);

create table system_group_members (
    tenant_id  uuid not null,
    user_id    uuid not null,
    group_id   uuid not null,
    primary key (tenant_id, user_id, group_id),
    foreign key (tenant_id, user_id) references users (tenant_id, id) on delete cascade,
    foreign key (tenant_id, group_id) references system_groups (tenant_id, id) on delete cascade
);

create table imports (
    tenant_id        uuid not null references tenants on delete cascade,
    id               uuid not null,
    -- The place in the tenant's line: imports of one tenant run in this order, one at a time.
    place            bigint not null,
    endpoint         text not null check (endpoint in ('users', 'userGroups')),
    -- What the file turned out to be; null until it was read.
    kind             text check (kind in ('users', 'memberships')),
    lane             text not null check (lane in ('small', 'bulk')),
    state            text not null default 'queued' check (state in ('queued', 'running', 'finished')),

    upload_bytes     bigint not null,
    upload_sha256    bytea not null,
    charset          text,
    submitted_by     uuid not null,
    submitted_as     text not null,
    submitted_at     timestamptz not null default now(),
    traceparent      text,
    tracestate       text,

    -- The lease: who works, until when. `attempt` is the fencing token: it grows with every claim.
    attempt          integer not null default 0,
    -- Attempts that failed since a chunk was last merged. One handed back by a clean shutdown is not among them.
    failures         integer not null default 0,
    lease_holder     text,
    lease_until      timestamptz,
    not_before       timestamptz not null default now(),
    wake_ups         integer not null default 0,
    woken_at         timestamptz,
    started_at       timestamptz,
    finished_at      timestamptz,

    -- Each row of the file has exactly one outcome, so the cursor is their sum and cannot drift from them.
    created          bigint not null default 0,
    updated          bigint not null default 0,
    failed           bigint not null default 0,
    rows_done        bigint not null generated always as (created + updated + failed) stored,
    rows_total       bigint,

    -- What the reader chose, and what it ignored.
    encoding         text,
    delimiter        text,
    ignored_columns  text[] not null default '{}',

    -- Set when the import could not run at all: the sentence the client reads, and whose fault it was.
    failure          text,
    failure_kind     text check (failure_kind in ('refused', 'abandoned')),

    primary key (tenant_id, id),
    unique (tenant_id, place),
    check ((failure is null) = (failure_kind is null)),
    check ((state = 'running') = (lease_until is not null)),
    check ((state = 'finished') = (finished_at is not null))
);

-- The heads of the lines: what the relay, the claim and the next wake-up ask for.
create index imports_unfinished on imports (tenant_id, place) where state <> 'finished';

-- For who has nothing but an import's id: a client that follows its `Location`, an operator with a log line.
create index imports_id on imports (id);

-- One record per chunk: an import of ten million rows is two thousand of them.
create table chunk_outcomes (
    tenant_id  uuid not null,
    import_id  uuid not null,
    first_row  bigint not null,
    rows       integer not null check (rows > 0),
    -- Two bits per row, the first row in the lowest bits: 0 created, 1 updated, 2 failed.
    outcomes   bytea not null,
    -- The problems' text of each failed row, in the order of the rows.
    problems   text[] not null default '{}',
    primary key (tenant_id, import_id, first_row),
    foreign key (tenant_id, import_id) references imports (tenant_id, id) on delete cascade
);
