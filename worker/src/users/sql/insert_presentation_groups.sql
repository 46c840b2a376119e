insert into presentation_groups (tenant_id, id, label)
select $1, id, label from unnest($2::uuid[], $3::text[]) as new (id, label)
