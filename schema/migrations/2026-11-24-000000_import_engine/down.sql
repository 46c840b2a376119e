drop trigger remove_members on system_groups;
drop trigger remove_members on library_groups;
drop trigger remove_members on users;
drop function remove_members_of_gone_system_groups;
drop function remove_members_of_gone_library_groups;
drop function remove_members_of_gone_users;
alter table system_group_members
    add foreign key (tenant_id, user_id) references users (tenant_id, id) on delete cascade,
    add foreign key (tenant_id, group_id) references system_groups (tenant_id, id) on delete cascade;
alter table library_group_members
    add foreign key (tenant_id, user_id) references users (tenant_id, id) on delete cascade,
    add foreign key (tenant_id, group_id) references library_groups (tenant_id, id) on delete cascade;
drop trigger forget_applied_rows on presentation_groups;
drop function forget_applied_rows_of_group;
drop trigger forget_applied_row on users;
drop function forget_applied_row;
alter table users
    drop column applied_row,
    alter column library_barcode type text,
    alter column username_key type text;
