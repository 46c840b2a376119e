-- $1 tenant, $2 users, $3 groups, $4 import, $5 the action in the audit
--
-- Members of groups that grant administration: those that were none before are returned, and named in the audit as added
-- by the sender of the import.
with added as (
    insert into system_group_members (tenant_id, user_id, group_id)
    select $1, new.user_id, new.group_id from unnest($2::uuid[], $3::uuid[]) as new (user_id, group_id)
        on conflict do nothing
    returning user_id, group_id
),
audited as (
    insert into audit (tenant_id, actor_kind, actor, origin, action, object, details)
    select $1,
           case when imports.submitted_token is null then 'administrator' else 'token' end,
           case when imports.submitted_token is null then imports.submitted_as
                else regexp_replace(imports.submitted_as, '^token ', '') end,
           coalesce(imports.submitted_from, 'unknown'), $5::text, users.username,
           format('member of %s, by the import %s', system_groups.name, imports.id)
      from added
      join imports on imports.tenant_id = $1 and imports.id = $4
      join users on users.tenant_id = $1 and users.id = added.user_id
      join system_groups on system_groups.tenant_id = $1 and system_groups.id = added.group_id
)
select user_id, group_id from added
