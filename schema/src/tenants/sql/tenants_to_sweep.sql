-- $1 limit
select id
  from every_tenant
 where last_position > groups_swept_position
   and not exists (select from every_import where tenant_id = every_tenant.id and state <> 'finished')
 order by id
 limit $1
