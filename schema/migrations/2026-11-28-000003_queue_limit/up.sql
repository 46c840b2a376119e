-- How many unfinished imports a tenant may have.
alter table tenants add column max_queued_imports integer not null default 1000
    check (max_queued_imports > 0);

-- Whether a tenant has fewer unfinished imports than it may have. A volatile function in PL/pgSQL, because each of its
-- statements sees what was committed before it begins: called after the tenant's row was locked, it sees every import
-- that was submitted under an earlier lock, which the calling statement itself does not.
create function queue_has_room(tenant uuid, max_queued integer) returns boolean language plpgsql volatile as $$
begin
    return (select count(*) < max_queued
              from (select from imports where tenant_id = tenant and state <> 'finished' limit max_queued) unfinished);
end
$$;
