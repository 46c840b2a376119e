-- $1 tenant; $2 users, $3 the seals that were opened, $4 hashes
--
-- Users are looked up one by one and then updated by their row's version, so that no statistics can make this read all
-- users of the tenant. The order decides the index.
with free as materialized (
    select locked.row_version, new.hash
      from unnest($2::uuid[], $3::bytea[], $4::text[]) as new (id, sealed, hash)
     cross join lateral (
           select ctid as row_version
             from users
            where tenant_id = $1 and id between new.id and new.id and password_sealed = new.sealed
            order by id
            limit 1
              for no key update skip locked
           ) as locked
)
update users
   set password_hash = free.hash,
       password_sealed = null
  from free
 where users.ctid = free.row_version
