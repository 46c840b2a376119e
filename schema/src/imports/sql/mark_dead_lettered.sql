-- $1 tenant, $2 import
update imports set dead_lettered_at = now() where tenant_id = $1 and id = $2 and failure_kind = 'abandoned'
