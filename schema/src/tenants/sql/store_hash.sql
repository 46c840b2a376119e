-- $1 tenant, $2 user, $3 the seal that was opened, $4 hash. Skips a user whom another transaction is writing. See the
-- worker's `query_plans` for the form of the lookup.
with free as materialized (
    select ctid as row_version
      from users
     where tenant_id = $1 and id between $2 and $2 and password_sealed = $3
     order by id
     limit 1
       for no key update skip locked
)
update users
   set password_hash = $4, password_sealed = null
  from free
 where users.ctid = free.row_version
