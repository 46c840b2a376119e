-- Which rows of a chunk have to be applied. Only these are returned, in one row: an unchanged file costs an index lookup
-- for each of its rows, and nothing on the way back. See `query_plans` for the form of the lookup.
select coalesce(array_agg(named.n::int) filter (where users.id is null), '{}') as missing,
       coalesce(array_agg(named.n::int) filter (where users.id is not null), '{}') as different
  from unnest($2::text[], $3::uuid[]) with ordinality as named (key, digest, n)
  left join lateral (
       select id, row_digest
         from users
        where tenant_id = $1 and username_key between named.key and named.key
        order by username_key
        limit 1
       ) as users on true
 where named.digest is null or users.row_digest is distinct from named.digest
