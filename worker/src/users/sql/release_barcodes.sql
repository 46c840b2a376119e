-- See `query_plans` for the form of the lookup.
update users set library_barcode = null
  from unnest($2::uuid[]) as owner (id)
 cross join lateral (
       select ctid as row_version
         from users
        where tenant_id = $1 and id between owner.id and owner.id
        order by id
        limit 1
       ) as found
 where users.ctid = found.row_version
