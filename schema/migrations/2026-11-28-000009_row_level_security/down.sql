drop view every_idempotency_key, every_hash_pass, every_waiting_password, every_import, every_tenant_host, every_tenant;

drop view line_heads;
alter view every_line_head rename to line_heads;

alter table new_users detach partition users;
drop table new_users;
drop trigger own_tenant on users;
drop function refuse_user_of_other_tenant();

do $$
declare
    protected record;
begin
    for protected in
        select policies.tablename from pg_policies policies
         where policies.schemaname = current_schema() and policies.policyname = 'own_tenant'
    loop
        execute format('drop policy own_tenant on %I', protected.tablename);
        execute format('alter table %I disable row level security', protected.tablename);
    end loop;
end
$$;
drop function current_tenant();
