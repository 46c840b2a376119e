-- $1 tenant, $2 the queue position up to which it was swept
update tenants set groups_swept_position = $2 where id = $1
