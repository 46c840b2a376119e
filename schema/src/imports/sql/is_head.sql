-- $1 tenant, $2 import
select coalesce((select id from line_heads where tenant_id = $1 limit 1) = $2, false)
