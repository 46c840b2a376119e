-- Users are found by the version that was loaded: see `query_plans`.
update users
   set given_name = new.given_name, surname = new.surname, middle_name = new.middle_name,
       preferred_name = new.preferred_name, email_address = new.email_address,
       graduation_year = new.graduation_year, library_barcode = new.library_barcode,
       admin_system_id = new.admin_system_id, gender = new.gender, form_class = new.form_class,
       enabled = new.enabled, staff_member = new.staff_member,
       presentation_group_id = new.presentation_group_id,
       -- The password columns change only where a password is applied: at any time the owner may change the password
       -- and the hasher may hash it.
       password_hash = case when new.password_sealed is null then users.password_hash end,
       password_sealed = coalesce(new.password_sealed, users.password_sealed),
       password_fingerprint = coalesce(new.password_fingerprint, users.password_fingerprint),
       row_digest = new.row_digest, updated_at = now()
  from unnest($2::tid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::smallint[],
              $9::text[], $10::text[], $11::text[], $12::text[], $13::boolean[], $14::boolean[],
              $15::uuid[], $16::bytea[], $17::bytea[], $18::uuid[], $19::uuid[], $20::timestamptz[])
       as new (row_version, given_name, surname, middle_name, preferred_name, email_address, graduation_year,
               library_barcode, admin_system_id, gender, form_class, enabled, staff_member,
               presentation_group_id, password_sealed, password_fingerprint, row_digest, id, seen_at)
 where users.ctid = new.row_version
   -- The place of a version that is gone may hold another user by now.
   and (users.tenant_id = $1 and users.id = new.id) is true
   -- A user that has changed since it was loaded is not written; the count of rows reveals it. A user whose password is being
   -- hashed at this moment may be missing, too: then the chunk starts again.
   and users.updated_at = new.seen_at
