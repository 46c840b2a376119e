-- $1 tenant, $2 user.
select coalesce(password_owner, username_key), password_sealed
  from users
 where tenant_id = $1 and id = $2 and password_sealed is not null
