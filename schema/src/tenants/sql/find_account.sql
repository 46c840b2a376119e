-- $1 tenant, $2 username key. See the worker's `query_plans` for the form of the lookups.
select id, username, coalesce(password_owner, username_key), enabled, password_hash, password_sealed,
       (select member.user_id
          from system_group_members as member
         cross join lateral (
               select grants_administration
                 from system_groups
                where tenant_id = $1 and id between member.group_id and member.group_id
                order by id
                limit 1
               ) as named_group
         where member.tenant_id = $1 and member.user_id between users.id and users.id
           and named_group.grants_administration
         order by member.user_id
         limit 1) is not null
  from users
 where tenant_id = $1 and username_key between $2 and $2
 order by username_key
 limit 1
