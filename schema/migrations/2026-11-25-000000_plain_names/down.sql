alter table hash_queue rename column hashed_up_to to taken_to;
alter table hash_queue rename column publish_count to wake_ups;
alter table hash_queue rename column published_at to woken_at;
alter table hash_queue rename constraint hash_queue_pkey to hashing_turns_pkey;
alter table hash_queue rename to hashing_turns;

drop trigger clear_row_digests on presentation_groups;
drop function clear_row_digests_of_group();
drop trigger clear_row_digest on users;
drop function clear_row_digest();
alter table users rename column row_digest to applied_row;
create function forget_applied_row() returns trigger language plpgsql as $$
begin
    new.applied_row := null;
    return new;
end
$$;
create trigger forget_applied_row
    before update of given_name, surname, middle_name, preferred_name, email_address, graduation_year,
                     library_barcode, admin_system_id, gender, form_class, enabled, staff_member,
                     presentation_group_id, password_fingerprint
    on users for each row
    when (new.applied_row is not distinct from old.applied_row
          and (old.given_name, old.surname, old.middle_name, old.preferred_name, old.email_address,
               old.graduation_year, old.library_barcode, old.admin_system_id, old.gender, old.form_class,
               old.enabled, old.staff_member, old.presentation_group_id, old.password_fingerprint)
              is distinct from
              (new.given_name, new.surname, new.middle_name, new.preferred_name, new.email_address,
               new.graduation_year, new.library_barcode, new.admin_system_id, new.gender, new.form_class,
               new.enabled, new.staff_member, new.presentation_group_id, new.password_fingerprint))
    execute function forget_applied_row();
create function forget_applied_rows_of_group() returns trigger language plpgsql as $$
begin
    update users set applied_row = null where tenant_id = old.tenant_id and presentation_group_id = old.id;
    return null;
end
$$;
create trigger forget_applied_rows
    after update of label on presentation_groups for each row
    when (old.label is distinct from new.label)
    execute function forget_applied_rows_of_group();

drop trigger announce_finished on imports;
drop function announce_finished_import();
drop view line_heads;
alter function lease_expired(text, timestamptz, integer, uuid) rename to lease_is_over;
update imports set published_at = dead_lettered_at where failure_kind = 'abandoned';
drop index imports_dead_letter_due;
alter table imports drop column dead_lettered_at;
alter table imports rename column publish_count to wake_ups;
alter table imports rename column published_at to woken_at;
create index imports_dead_letter_due on imports (finished_at)
    where failure_kind = 'abandoned' and woken_at is null;
alter table imports rename constraint imports_tenant_id_queue_position_key to imports_tenant_id_place_key;
alter table imports rename column queue_position to place;

alter table tenants rename column last_position to last_place;
