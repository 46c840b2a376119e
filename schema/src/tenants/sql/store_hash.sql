-- $1 tenant, $2 user, $3 the seal that was opened, $4 hash. Skips a user whom another transaction is writing.
update users
   set password_hash = $4, password_sealed = null
 where (tenant_id, id) in (select tenant_id, id
                             from users
                            where tenant_id = $1 and id = $2 and password_sealed = $3
                              for update skip locked)
