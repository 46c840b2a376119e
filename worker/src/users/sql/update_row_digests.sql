-- Users are found by the version that was loaded: see `query_plans`.
update users set row_digest = new.row_digest
  from unnest($2::tid[], $3::uuid[], $4::uuid[], $5::timestamptz[]) as new (row_version, row_digest, id, seen_at)
 where users.ctid = new.row_version
   -- The place of a version that is gone may hold another user by now.
   and (users.tenant_id = $1 and users.id = new.id) is true
   and users.updated_at = new.seen_at
