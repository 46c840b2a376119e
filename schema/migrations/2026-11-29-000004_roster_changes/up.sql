-- A large import asks once what its tenant has (the census) and trusts the answer for as long as imports alone change the
-- roster. This records that an operator or another program did: one row for each transaction that did so. A census deletes the rows that it knows of.
set local lock_timeout = '2s';

create table roster_changes (
    tenant_id       uuid not null,
    transaction_id  xid8 not null,
    primary key (tenant_id, transaction_id)
);
alter table roster_changes enable row level security;
create policy own_tenant on roster_changes
    using ((tenant_id = nullif(current_setting('rollcall.tenant', true), '')::uuid) is true);

create function record_roster_change() returns trigger language plpgsql as $$
begin
    insert into roster_changes (tenant_id, transaction_id) values (old.tenant_id, pg_current_xact_id())
        on conflict do nothing;
    return null;
end
$$;

-- A user whom others change loses the digest (`clear_row_digest`). What an import writes has one. A user who has none is looked
-- at again in any case, and a new one is noticed by its keys. A user who was removed must not become a member of a group.
create trigger record_roster_change
    after update on users for each row
    when (old.row_digest is not null and new.row_digest is null or new.username_key <> old.username_key)
    execute function record_roster_change();
create trigger record_removal
    after delete on users for each row
    execute function record_roster_change();
