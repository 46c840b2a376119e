-- $1 tenant
update hash_queue set published_at = null, publish_count = default where tenant_id = $1
