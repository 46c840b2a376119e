-- $1 tenant. While the row is locked, no import enters the tenant's line. Another worker that has locked it sweeps.
select last_position
  from tenants
 where id = $1 and last_position > groups_swept_position
   for no key update skip locked
