select id, username, username_key, given_name, surname, middle_name, preferred_name, email_address, graduation_year,
       library_barcode, admin_system_id, gender, form_class, enabled, staff_member, presentation_group_id,
       password_fingerprint, password_owner, row_digest, updated_at,
       -- The administrators are few, and found once for all rows.
       id in (select member.user_id
                from system_group_members as member
                join system_groups as granting
                  on granting.tenant_id = member.tenant_id and granting.id = member.group_id
               where member.tenant_id = $1 and granting.grants_administration) as is_administrator
  from users
 where tenant_id = $1 and username_key = any($2)
