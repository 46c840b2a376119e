-- $1 tenants, $2 users, $3 the seals that were opened, $4 the new ones. A password that was replaced or hashed meanwhile is
-- left alone, and so is one that another transaction is writing: nothing waits, so there is no deadlock.
with free as materialized (
    select users.ctid as row_version, new.sealed
      from unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::bytea[]) as new (tenant_id, id, opened, sealed)
      join users on users.tenant_id = new.tenant_id and users.id = new.id
                and users.password_sealed = new.opened
       for no key update of users skip locked
)
update users
   set password_sealed = free.sealed
  from free
 where users.ctid = free.row_version
