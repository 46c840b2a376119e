-- Row-level security: a second barrier between tenants (invariant 9), for every role but the owner of the tables. A
-- transaction says whose it is with `set local rollcall.tenant`; without that it sees no tenant's rows.
--
-- The rights themselves are granted by `rollcall migrate`, which knows the service's role: see `grant_service.sql`.
set local lock_timeout = '2s';

create function current_tenant() returns uuid language sql stable parallel safe as $$
    -- Empty in a session in which an earlier transaction has set it.
    select nullif(current_setting('rollcall.tenant', true), '')::uuid
$$;

-- The subselect is evaluated once for each statement, not for each row or each lookup. `is true` keeps the condition out of
-- the choice of an index: an update that finds its rows by their version would read all users of the tenant instead.
alter table tenants enable row level security;
create policy own_tenant on tenants using ((id = (select current_tenant())) is true);

do $$
declare
    tenants_table text;
begin
    for tenants_table in
        select relation.oid::regclass::text
          from pg_class relation
          join pg_attribute attribute on attribute.attrelid = relation.oid and attribute.attname = 'tenant_id'
         where relation.relnamespace = current_schema()::regnamespace and relation.relkind = 'r'
           and pg_has_role(relation.relowner, 'usage')
    loop
        execute format('alter table %s enable row level security', tenants_table);
        execute format('create policy own_tenant on %s using ((tenant_id = (select current_tenant())) is true)', tenants_table);
    end loop;
end
$$;

-- Postgres refuses COPY into a table with row-level security, and COPY is by far the fastest way to create a million users.
-- So the service copies through this door, in which rows can only be put: it routes them into its one partition, `users`.
-- From now on a column of `users` is added to `new_users`, which adds it to both.
create table new_users (like users including defaults) partition by list (tenant_id);
alter table new_users attach partition users default;

-- What comes through the door is checked here: policies of a partition do not apply to it. The condition is false for
-- almost every row, and then nothing is called.
create function refuse_user_of_other_tenant() returns trigger language plpgsql as $$
begin
    if row_security_active(tg_relid) then
        raise exception 'a user of another tenant' using errcode = 'insufficient_privilege';
    end if;
    return null;
end
$$;
create trigger own_tenant
    after insert on users for each row
    when (new.tenant_id is distinct from nullif(current_setting('rollcall.tenant', true), '')::uuid)
    execute function refuse_user_of_other_tenant();

-- The heads of all lines are for the relay. A transaction of the service sees that of its tenant; the owner, as whom processes
-- of the release before may still run, sees all as before.
alter view line_heads rename to every_line_head;
create view line_heads as
    select * from every_line_head where not row_security_active('imports') or tenant_id = current_tenant();

-- What the relay, the janitor and a request without a tenant look through: every tenant's, but ids, states and times only.
-- A view reads with the rights of its owner.
create view every_tenant as
    select id, name, upload_limit_bytes, last_position, groups_swept_position from tenants;
create view every_tenant_host as select tenant_id, host from tenant_hosts;
create view every_import as
    select tenant_id, id, queue_position, lane, state, attempt, failures, lease_until, not_before, published_at,
           publish_count, submitted_at, started_at, finished_at, failure_kind, dead_lettered_at, upload_deleted_at,
           traceparent, tracestate
      from imports;
create view every_waiting_password as select tenant_id, id from users where password_sealed is not null;
create view every_hash_pass as select tenant_id, published_at, publish_count, hashed_up_to from hash_queue;
create view every_idempotency_key as select tenant_id, created_at from idempotency_keys;
