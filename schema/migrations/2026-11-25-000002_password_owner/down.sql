drop trigger keep_password_owner on users;
drop function keep_password_owner();
alter table users drop column password_owner;
