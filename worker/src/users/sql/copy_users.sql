copy new_users (id, username, username_key, given_name, surname, middle_name, preferred_name, email_address,
            graduation_year, library_barcode, admin_system_id, gender, form_class, enabled, staff_member,
            presentation_group_id, password_sealed, password_fingerprint, row_digest)
from stdin (format binary)
