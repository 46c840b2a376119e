-- See `query_plans` for the form of the lookup.
select users.*
  from unnest($2::text[]) as named (key)
 cross join lateral (
       select id, username, username_key, given_name, surname, middle_name, preferred_name, email_address,
              graduation_year, library_barcode, admin_system_id, gender, form_class, enabled, staff_member,
              presentation_group_id, password_fingerprint, row_digest, updated_at
         from users
        where tenant_id = $1 and username_key between named.key and named.key
        order by username_key
        limit 1
       ) as users
