-- $1 tenant, $2 import. Through the view, as the row was taken: the transaction is of no tenant.
update every_import set dead_lettered_at = now() where tenant_id = $1 and id = $2 and failure_kind = 'abandoned'
