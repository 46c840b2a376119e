-- Members of groups that grant administration: those that were none before are told.
insert into system_group_members (tenant_id, user_id, group_id)
select $1, new.user_id, new.group_id from unnest($2::uuid[], $3::uuid[]) as new (user_id, group_id)
    on conflict do nothing
returning user_id, group_id
