select exists (select from roster_changes where tenant_id = $1)
