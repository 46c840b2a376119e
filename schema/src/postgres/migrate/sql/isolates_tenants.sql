-- Whether row-level security holds for this role: not for the owner of the tables and not for a superuser.
select row_security_active('users')
