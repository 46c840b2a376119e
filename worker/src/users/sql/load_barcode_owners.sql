-- See `query_plans` for the form of the lookup.
select users.*
  from unnest($2::text[]) as claimed (barcode)
 cross join lateral (
       select library_barcode, id, username_key
         from users
        where tenant_id = $1 and library_barcode between claimed.barcode and claimed.barcode
        order by library_barcode
        limit 1
       ) as users
