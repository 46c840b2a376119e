drop trigger forget_applied_rows on presentation_groups;
drop function forget_applied_rows_of_group;
drop trigger forget_applied_row on users;
drop function forget_applied_row;
alter table users
    drop column applied_row,
    alter column library_barcode type text,
    alter column username_key type text;
