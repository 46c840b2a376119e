-- Where a trigger runs before updates of a row, Postgres locks each row first, which writes it and its log, whether or not the
-- trigger's condition holds. So the triggers that change a user further do so afterwards.
set local lock_timeout = '2s';

create or replace function clear_row_digest() returns trigger language plpgsql as $$
begin
    update users set row_digest = null where tenant_id = new.tenant_id and id = new.id;
    return null;
end
$$;
drop trigger clear_row_digest on users;
create trigger clear_row_digest
    after update of given_name, surname, middle_name, preferred_name, email_address, graduation_year,
                    library_barcode, admin_system_id, gender, form_class, enabled, staff_member,
                    presentation_group_id, password_fingerprint
    on users for each row
    when (new.row_digest = old.row_digest
          and (old.given_name, old.surname, old.middle_name, old.preferred_name, old.email_address,
               old.graduation_year, old.library_barcode, old.admin_system_id, old.gender, old.form_class,
               old.enabled, old.staff_member, old.presentation_group_id, old.password_fingerprint)
              is distinct from
              (new.given_name, new.surname, new.middle_name, new.preferred_name, new.email_address,
               new.graduation_year, new.library_barcode, new.admin_system_id, new.gender, new.form_class,
               new.enabled, new.staff_member, new.presentation_group_id, new.password_fingerprint))
    execute function clear_row_digest();

create or replace function keep_password_owner() returns trigger language plpgsql as $$
begin
    update users set password_owner = coalesce(old.password_owner, old.username_key)
     where tenant_id = new.tenant_id and id = new.id;
    return null;
end
$$;
drop trigger keep_password_owner on users;
create trigger keep_password_owner
    after update of username_key on users for each row
    when (new.username_key is distinct from old.username_key)
    execute function keep_password_owner();
