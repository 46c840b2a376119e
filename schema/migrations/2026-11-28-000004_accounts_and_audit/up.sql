-- The networks that each account logged in from. A pair of account and network that was good on several days is familiar:
-- its logins have a place of their own in the API's hashing queue, whatever fails around them.
create table login_networks (
    tenant_id     uuid not null,
    user_id       uuid not null,
    -- An IPv4 address, or the /64 of an IPv6 address.
    network       text not null,
    -- A digest of network and username key: what the API compares before it has asked the database for anything.
    pair          bigint not null,
    -- Days with a verified login.
    days          integer not null default 1,
    last_good_on  date not null default current_date,
    primary key (tenant_id, user_id, network)
);
create index login_networks_last_good_on on login_networks (last_good_on);

-- The familiar pairs of all tenants, as digests only.
create view familiar_logins as
    select pair from login_networks where days >= 2 and last_good_on >= current_date - 60 order by last_good_on desc;

-- Tokens with which scripts import. Only a digest of 160 random bits is stored, so a stolen table opens nothing.
create table import_tokens (
    tenant_id       uuid not null references tenants on delete cascade,
    id              uuid not null,
    name            text not null check (name <> ''),
    -- SHA-256 of the token.
    digest          bytea not null check (length(digest) = 32),
    created_at      timestamptz not null default now(),
    -- Null: it does not expire.
    expires_at      timestamptz,
    -- Written at most once a minute.
    last_used_at    timestamptz,
    last_used_from  text,
    primary key (tenant_id, id),
    unique (tenant_id, name)
);
create index import_tokens_digest on import_tokens (digest);

-- A token comes without its tenant. This gives ids only, whatever row-level security hides.
create function find_import_token(digest bytea) returns table (tenant_id uuid, id uuid)
    language sql stable security definer set search_path from current
    as $$ select tenant_id, id from import_tokens where import_tokens.digest = find_import_token.digest $$;

-- An import is submitted by an account or by a token.
set local lock_timeout = '2s';
alter table imports
    alter column submitted_by drop not null,
    add column submitted_token uuid,
    -- The client's address; null for what was submitted before.
    add column submitted_from text,
    add constraint imports_submitter check (num_nonnulls(submitted_by, submitted_token) = 1) not valid;

-- Who did what, from where. Rows are added in the transaction that they tell of, and never changed. There is no foreign
-- key to `tenants`: what was done to a tenant outlives it.
create table audit (
    id          bigint generated always as identity primary key,
    -- Null: it concerns the installation.
    tenant_id   uuid,
    at          timestamptz not null default now(),
    actor_kind  text not null check (actor_kind in ('administrator', 'token', 'operator')),
    -- The username, the token's name, or the operator's account on its machine.
    actor       text not null,
    -- The client's address, or the operator's machine.
    origin      text not null,
    action      text not null,
    -- What it was done to: an import's id, or a name.
    object      text not null,
    details     text
);
create index audit_by_tenant on audit (tenant_id, id);
create index audit_by_time on audit (at);

-- Nothing changes a row, and only `forget_audit` deletes one. The triggers hold for every role, the owner's included, until
-- the owner removes them; for other roles the rights are missing as well.
create function audit_is_append_only() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' and current_setting('rollcall.forgetting_audit', true) = 'yes'
       and pg_has_role(current_user, (select relowner from pg_class where oid = tg_relid), 'usage') then
        return old;
    end if;
    raise exception 'the audit is append-only' using errcode = 'insufficient_privilege';
end
$$;
create trigger append_only before update or delete on audit for each row execute function audit_is_append_only();
create trigger append_only_table before truncate on audit for each statement execute function audit_is_append_only();
revoke update, delete, truncate on audit from public;

-- Deletes what is older than `before` and returns how many rows that was. For the owner of the tables.
create function forget_audit(before timestamptz) returns bigint
    language plpgsql security definer set search_path from current set rollcall.forgetting_audit = 'yes' as $$
declare
    forgotten bigint;
begin
    delete from audit where at < before;
    get diagnostics forgotten = row_count;
    return forgotten;
end
$$;
revoke execute on function forget_audit(timestamptz) from public;
