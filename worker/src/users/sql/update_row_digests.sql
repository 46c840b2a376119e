update users set applied_row = new.applied_row
  from unnest($2::uuid[], $3::uuid[], $4::timestamptz[]) as new (id, applied_row, seen_at)
 where users.tenant_id = $1 and users.id = new.id and users.updated_at = new.seen_at
