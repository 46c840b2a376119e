select id, username, username_key, given_name, surname, middle_name, preferred_name, email_address, graduation_year,
       library_barcode, admin_system_id, gender, form_class, enabled, staff_member, presentation_group_id,
       password_fingerprint, password_owner, row_digest, updated_at
  from users
 where tenant_id = $1 and username_key = any($2)
