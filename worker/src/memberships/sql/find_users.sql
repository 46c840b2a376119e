-- The id of each row's user, or null, as one array in the order of the rows: cheaper to return than a row for each.
select coalesce(array_agg(users.id order by named.n), '{}')
  from unnest($2::text[]) with ordinality as named (key, n)
  left join users on users.tenant_id = $1 and users.username_key = named.key
