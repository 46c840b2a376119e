-- $1 tenant or null for all and the installation, $2 since or null, $3 limit
select audit.id, audit.at, coalesce(tenants.name, audit.tenant_id::text) as tenant, audit.actor_kind, audit.actor,
       audit.origin, audit.action, audit.object, audit.details,
       case when imports.state is null then null
            when imports.state <> 'finished' then imports.state
            else coalesce(imports.failure_kind, 'imported')
                 || format(': %s created, %s updated, %s failed', imports.created, imports.updated, imports.failed)
       end as result
  from audit
  left join tenants on tenants.id = audit.tenant_id
  left join imports on imports.tenant_id = audit.tenant_id
                   and imports.id = case when audit.action = 'import submitted' then audit.object::uuid end
 where ($1::uuid is null or audit.tenant_id = $1) and ($2::timestamptz is null or audit.at >= $2)
 order by audit.id desc
 limit $3
