select new_groups from imports where tenant_id = $1 and id = $2
