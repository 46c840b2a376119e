delete from every_idempotency_key where created_at < now() - interval '24 hours'
