do $$
declare
    setting constant text := $setting$nullif(current_setting('rollcall.tenant', true), '')::uuid$setting$;
    protected record;
begin
    for protected in
        select tablename as name, case tablename when 'tenants' then 'id' else 'tenant_id' end as tenant_column
          from pg_policies where schemaname = current_schema() and policyname = 'own_tenant'
           and tablename not in ('users', 'library_group_members', 'system_group_members')
    loop
        execute format('alter policy own_tenant on %I using (%I = %s)',
            protected.name, protected.tenant_column, setting);
    end loop;
end
$$;
