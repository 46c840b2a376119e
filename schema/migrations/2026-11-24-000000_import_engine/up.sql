-- Keys are compared byte by byte, whatever the database's collation: an index of names is then as fast as one of
-- numbers, and its order is the one that a worker sorts by.
alter table users
    alter column username_key type text collate "C",
    alter column library_barcode type text collate "C",
    -- A keyed digest of the row that an import applied last to this user, while nothing else has touched since what an
    -- import can change: who sends the same row again need not compare it, let alone write it.
    add column applied_row uuid;

-- Whatever changes a user without saying which row it applied makes the digest worthless. A trigger, so that no
-- statement, including an operator's, can forget it. Imports bring a new digest and never come to call it.
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

-- A group of another label is another group to a row that names it.
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

-- A foreign key is checked row by row: for each membership it locks the user and the group, which writes both, and two
-- chunks that put users into the same group at once make its lock a list of them. That took most of the time of a
-- group import. A chunk finds users and groups in the transaction that makes the memberships; what is left of the keys
-- is their other half, that who goes takes the memberships along.
alter table library_group_members
    drop constraint library_group_members_tenant_id_user_id_fkey,
    drop constraint library_group_members_tenant_id_group_id_fkey;
alter table system_group_members
    drop constraint system_group_members_tenant_id_user_id_fkey,
    drop constraint system_group_members_tenant_id_group_id_fkey;

create function remove_members_of_gone_users() returns trigger language plpgsql as $$
begin
    delete from library_group_members using gone
     where library_group_members.tenant_id = gone.tenant_id and user_id = gone.id;
    delete from system_group_members using gone
     where system_group_members.tenant_id = gone.tenant_id and user_id = gone.id;
    return null;
end
$$;
create trigger remove_members after delete on users
    referencing old table as gone for each statement execute function remove_members_of_gone_users();

create function remove_members_of_gone_library_groups() returns trigger language plpgsql as $$
begin
    delete from library_group_members using gone
     where library_group_members.tenant_id = gone.tenant_id and group_id = gone.id;
    return null;
end
$$;
create trigger remove_members after delete on library_groups
    referencing old table as gone for each statement execute function remove_members_of_gone_library_groups();

create function remove_members_of_gone_system_groups() returns trigger language plpgsql as $$
begin
    delete from system_group_members using gone
     where system_group_members.tenant_id = gone.tenant_id and group_id = gone.id;
    return null;
end
$$;
create trigger remove_members after delete on system_groups
    referencing old table as gone for each statement execute function remove_members_of_gone_system_groups();
