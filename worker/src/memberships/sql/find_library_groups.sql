select name, id from library_groups where tenant_id = $1 and name = any($2)
