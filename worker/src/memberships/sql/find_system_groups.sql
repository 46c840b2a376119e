select name, id, grants_administration from system_groups where tenant_id = $1 and name = any($2)
