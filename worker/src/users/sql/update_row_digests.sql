-- See `query_plans` for the form of the lookup.
update users set row_digest = new.row_digest
  from unnest($2::uuid[], $3::uuid[], $4::timestamptz[]) as new (id, row_digest, seen_at)
 cross join lateral (
       select ctid as row_version
         from users
        where tenant_id = $1 and id between new.id and new.id
        order by id
        limit 1
       ) as found
 where users.ctid = found.row_version and users.updated_at = new.seen_at
