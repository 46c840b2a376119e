-- $1 seconds for which uploads of finished imports are kept, $2 limit
update every_import
   set upload_deleted_at = now()
 where (tenant_id, id) in
       (select tenant_id, id
          from every_import
         where state = 'finished' and upload_deleted_at is null
           and finished_at < now() - $1 * interval '1 second'
         order by finished_at
         limit $2
           for no key update skip locked)
returning tenant_id, id
