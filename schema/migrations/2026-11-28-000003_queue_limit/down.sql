drop function queue_has_room;
alter table tenants drop column max_queued_imports;
