-- The processes of the service that are connected, by the name that their sessions have: see `process_name`.
select distinct application_name
  from pg_stat_activity
 where datname = current_database() and application_name like 'rollcall-%'
 order by application_name
