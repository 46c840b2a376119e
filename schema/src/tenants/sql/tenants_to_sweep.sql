-- $1 limit
select id
  from tenants
 where last_position > groups_swept_position
   and not exists (select from imports where tenant_id = tenants.id and state <> 'finished')
 order by id
 limit $1
