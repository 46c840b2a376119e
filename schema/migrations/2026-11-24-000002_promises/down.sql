drop table idempotency_keys;
drop index imports_dead_letter_due;
drop index imports_upload_kept;
drop function lease_is_over(text, timestamptz, integer, uuid);
alter table imports drop column upload_deleted_at;
update imports set failure_kind = 'abandoned' where failure_kind = 'cancelled';
alter table imports drop constraint imports_failure_kind_check;
alter table imports add constraint imports_failure_kind_check check (failure_kind in ('refused', 'abandoned'));
