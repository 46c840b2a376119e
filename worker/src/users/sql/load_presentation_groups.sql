select label, id
  from presentation_groups
 where tenant_id = $1 and label = any($2)
