-- $1 names of tables. Those of them that another session has locked against reading or writing.
select distinct locked.relname::text
  from pg_locks
  join pg_class locked on locked.oid = pg_locks.relation
  join pg_database on pg_database.oid = pg_locks.database
 where pg_locks.granted
   and pg_locks.pid <> pg_backend_pid()
   and pg_database.datname = current_database()
   and locked.relname::text = any ($1::text[])
   and pg_locks.mode in ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
 order by 1
