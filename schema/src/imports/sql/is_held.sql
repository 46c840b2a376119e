-- $1 tenant, $2 import, $3 attempt
select exists (select from imports where tenant_id = $1 and id = $2 and attempt = $3 and state = 'running')
