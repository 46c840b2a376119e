-- $1 tenant, $2 the last user of the pass so far, $3 limit
select id, coalesce(password_owner, username_key), password_sealed
  from users
 where tenant_id = $1 and id > $2 and password_sealed is not null
 order by id
 limit $3
