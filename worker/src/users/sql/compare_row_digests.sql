-- Which rows of a chunk have to be applied. Only these are returned, in one row: an unchanged file costs an index lookup
-- for each of its rows, and nothing on the way back.
select coalesce(array_agg(named.n::int) filter (where users.id is null), '{}') as missing,
       coalesce(array_agg(named.n::int) filter (where users.id is not null), '{}') as different
  from unnest($2::text[], $3::uuid[]) with ordinality as named (key, digest, n)
  left join users on users.tenant_id = $1 and users.username_key = named.key
 where named.digest is null or users.row_digest is distinct from named.digest
