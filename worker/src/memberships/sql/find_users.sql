-- The id of each key's user, or null, as one array in the order of the keys: cheaper to return than a row for each.
-- See `query_plans` for the form of the lookup.
select coalesce(array_agg(users.id order by named.n), '{}')
  from unnest($2::text[]) with ordinality as named (key, n)
  left join lateral (
       select id
         from users
        where tenant_id = $1 and username_key between named.key and named.key
        order by username_key
        limit 1
       ) as users on true
