-- $1 host name or null. The tenant that has it; if none has, two tenants at most.
with of_host as materialized (
    select tenant_id from every_tenant_host where host = $1
)
select id, name, upload_limit_bytes from every_tenant where id = (select tenant_id from of_host)
union all
(select id, name, upload_limit_bytes from every_tenant where not exists (select from of_host) limit 2)
