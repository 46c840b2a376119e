alter table users add foreign key (tenant_id, presentation_group_id) references presentation_groups (tenant_id, id);
alter table presentation_groups drop column imported;
alter table imports drop column new_groups;
alter table tenants drop column groups_swept_position, drop column presentation_group_limit;
drop table wrapped_keys;
drop table data_keys;
drop table service_keys;
drop table installation;
