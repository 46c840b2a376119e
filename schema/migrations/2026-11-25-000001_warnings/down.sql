drop function limited_warnings(text[]);
alter table tenants drop column protect_administrators;
alter table imports drop column warnings;
