-- $1 limit. Some users of any tenants whose password waits to be hashed.
select tenant_id, id from every_waiting_password limit $1
