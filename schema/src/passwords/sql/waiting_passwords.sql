-- $1 tenant and $2 user after whom to continue, $3 limit. Every tenant's: it is the installation's key that changes.
select tenant_id, id, coalesce(password_owner, username_key), password_sealed
  from users
 where password_sealed is not null and (tenant_id, id) > ($1, $2)
 order by tenant_id, id
 limit $3
