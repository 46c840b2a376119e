create or replace trigger own_tenant
    after insert on users for each row
    when (new.tenant_id is distinct from nullif(current_setting('rollcall.tenant', true), '')::uuid)
    execute function refuse_user_of_other_tenant();

do $$
declare
    protected record;
begin
    for protected in
        select tablename as name, case tablename when 'tenants' then 'id' else 'tenant_id' end as tenant_column
          from pg_policies where schemaname = current_schema() and policyname = 'own_tenant'
    loop
        execute format('alter policy own_tenant on %I using ((%I = (select current_tenant())) is true)',
            protected.name, protected.tenant_column);
    end loop;
end
$$;
