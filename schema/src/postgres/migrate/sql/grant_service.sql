-- Gives the role `rollcall.service_role` the rights that API and workers need, and no others: none to change a table, none
-- to create or remove tenants and what an operator defines for them. Creates the role if there is none. Run by the owner
-- after every migration; what it grants is what the newest tables need.
do $$
declare
    service name := current_setting('rollcall.service_role');
    relation record;
begin
    if not exists (select from pg_roles where rolname = service) then
        -- Two databases of a server may be migrated at once.
        begin
            execute format('create role %I login password %L', service, current_setting('rollcall.service_password'));
        exception when duplicate_object or unique_violation then
            null;
        end;
    end if;
    if exists (select from pg_roles where rolname = service and (rolsuper or rolbypassrls))
       or exists (select from pg_class where relname = 'users' and relnamespace = current_schema()::regnamespace
                     and pg_has_role(service, relowner, 'member')) then
        raise exception 'the role % is a superuser, owns the tables or bypasses row-level security', service
            using errcode = 'invalid_grant_operation';
    end if;

    execute format('grant usage on schema %I to %I', current_schema(), service);
    for relation in
        select oid, oid::regclass::text as name, relname, relkind
          from pg_class
         where relnamespace = current_schema()::regnamespace and relkind in ('r', 'p', 'v')
           and pg_has_role(relowner, 'usage')
    loop
        execute format('revoke all on %s from %I', relation.name, service);
        execute format('grant %s on %s to %I', case relation.relname
            -- What processes check at start.
            when '__diesel_schema_migrations' then 'select'
            -- Operators define these. An import takes a position in its tenant's line.
            when 'tenants' then 'select, update'
            when 'tenant_hosts' then 'select'
            when 'library_groups' then 'select'
            when 'system_groups' then 'select'
            -- Rows are put into it and found in `users`. Their tenant is that of the transaction.
            when 'new_users' then
                (select format('insert (%s)', string_agg(quote_ident(attname), ', '))
                   from pg_attribute
                  where attrelid = relation.oid and attnum > 0 and not attisdropped and attname <> 'tenant_id')
            -- Append-only.
            when 'audit' then 'select, insert'
            when 'every_import' then 'select, update (upload_deleted_at, dead_lettered_at)'
            when 'every_hash_pass' then 'select, insert, update'
            when 'every_idempotency_key' then 'select, delete'
            else case when relation.relkind = 'v' then 'select' else 'select, insert, update, delete' end
            end, relation.name, service);
    end loop;

    -- A superuser may also keep the service's rows out of the server's log, whatever the server's own settings are.
    if (select rolsuper from pg_roles where rolname = current_user) then
        execute format('alter role %I in database %I set log_min_messages = ''log''', service, current_database());
        execute format('alter role %I in database %I set log_error_verbosity = ''terse''', service, current_database());
        execute format('alter role %I in database %I set log_min_error_statement = ''panic''', service, current_database());
        execute format('alter role %I in database %I set log_parameter_max_length = 0', service, current_database());
        execute format('alter role %I in database %I set log_parameter_max_length_on_error = 0', service,
                       current_database());
        execute format('alter role %I in database %I set log_statement = ''none''', service, current_database());
    end if;
end
$$
