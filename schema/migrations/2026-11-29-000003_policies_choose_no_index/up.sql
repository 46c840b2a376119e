-- The policies stay out of the choice of an index everywhere, as `is true` keeps them for the large tables already. A condition
-- on the tenant alone was an index condition like any other: where Postgres did not know how many imports a tenant has, it
-- read all of them to find the one that a statement joins by its id. A claim took longer with every import ever sent.
set local lock_timeout = '2s';

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
        execute format('alter policy own_tenant on %I using ((%I = %s) is true)',
            protected.name, protected.tenant_column, setting);
    end loop;
end
$$;
