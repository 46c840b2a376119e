-- The census of a group import counts memberships as well, and an import does not insert those that it knows. So who removes
-- one leaves a row in `roster_changes`.
set local lock_timeout = '2s';

create function record_membership_changes() returns trigger language plpgsql as $$
begin
    insert into roster_changes (tenant_id, transaction_id)
    select distinct tenant_id, pg_current_xact_id() from changed
        on conflict do nothing;
    return null;
end
$$;
create trigger record_removals
    after delete on library_group_members referencing old table as changed
    for each statement execute function record_membership_changes();
create trigger record_changes
    after update on library_group_members referencing old table as changed
    for each statement execute function record_membership_changes();
create trigger record_removals
    after delete on system_group_members referencing old table as changed
    for each statement execute function record_membership_changes();
create trigger record_changes
    after update on system_group_members referencing old table as changed
    for each statement execute function record_membership_changes();
