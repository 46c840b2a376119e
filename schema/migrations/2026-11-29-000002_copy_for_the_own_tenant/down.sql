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
    when (new.tenant_id::text is distinct from current_setting('rollcall.tenant', true))
    execute function refuse_user_of_other_tenant();

alter table only new_users alter column tenant_id drop default;
drop function tenant_of_copy();
