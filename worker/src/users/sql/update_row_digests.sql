update users set row_digest = new.row_digest
  from unnest($2::uuid[], $3::uuid[], $4::timestamptz[]) as new (id, row_digest, seen_at)
 where users.tenant_id = $1 and users.id = new.id and users.updated_at = new.seen_at
