-- $1 tenant; $2 users, $3 the seals that were opened, $4 hashes (null drops the password)
with free as materialized (
    select users.id, new.hash
      from users
      join unnest($2::uuid[], $3::bytea[], $4::text[]) as new (id, sealed, hash)
        on users.id = new.id and users.password_sealed = new.sealed
     where users.tenant_id = $1
       for no key update of users skip locked
)
update users
   set password_hash = free.hash,
       password_sealed = null,
       password_fingerprint = case when free.hash is not null then password_fingerprint end
  from free
 where users.tenant_id = $1 and users.id = free.id
