-- See `query_plans` for the form of the lookup. Each of these users is written again at once, with its digest: until then
-- another digest says that no one else has changed it (`clear_row_digest`, `record_roster_change`).
update users set library_barcode = null, row_digest = gen_random_uuid()
  from unnest($2::uuid[]) as owner (id)
 cross join lateral (
       select ctid as row_version
         from users
        where tenant_id = $1 and id between owner.id and owner.id
        order by id
        limit 1
       ) as found
 where users.ctid = found.row_version
returning users.id, users.ctid
