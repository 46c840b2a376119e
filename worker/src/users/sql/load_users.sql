-- See `query_plans` for the form of the lookups. Administrators are looked up one by one, too: the members of a tenant's
-- system groups can be as many as its users.
select users.*
  from unnest($2::text[]) as named (key)
 cross join lateral (
       select id, username, username_key, given_name, surname, middle_name, preferred_name, email_address,
              graduation_year, library_barcode, admin_system_id, gender, form_class, enabled, staff_member,
              presentation_group_id, password_fingerprint, password_owner, row_digest, updated_at,
              ctid as row_version,
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
                limit 1) is not null as is_administrator
         from users
        where tenant_id = $1 and username_key between named.key and named.key
        order by username_key
        limit 1
       ) as users
