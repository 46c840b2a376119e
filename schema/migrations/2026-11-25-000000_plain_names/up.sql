-- Columns, tables and functions get the names that the glossary gives them. This is not a change that can be rolled out
-- while the last version runs: stop API and workers, run it, start the new version.

alter table tenants rename column last_place to last_position;

alter table imports rename column place to queue_position;
alter table imports rename constraint imports_tenant_id_place_key to imports_tenant_id_queue_position_key;
alter table imports rename column woken_at to published_at;
alter table imports rename column wake_ups to publish_count;

-- `woken_at` meant something else once an import was abandoned: that gets a column of its own.
alter table imports add column dead_lettered_at timestamptz;
update imports set dead_lettered_at = published_at where failure_kind = 'abandoned';
drop index imports_dead_letter_due;
create index imports_dead_letter_due on imports (finished_at)
    where failure_kind = 'abandoned' and dead_lettered_at is null;

alter function lease_is_over(text, timestamptz, integer, uuid) rename to lease_expired;

-- The head of each tenant's line: the one import of the tenant that may be claimed (invariant 5). Whatever asks for heads
-- asks here. For one tenant, `where tenant_id = … limit 1` reads one entry of `imports_unfinished`.
create view line_heads as
select distinct on (tenant_id)
       tenant_id, id, queue_position, lane, state, attempt, failures, lease_until, not_before,
       published_at, publish_count, submitted_at, traceparent, tracestate
  from imports
 where state <> 'finished'
 order by tenant_id, queue_position;

-- Whatever finishes an import, the clients that wait for it hear of it at the commit. A trigger, so that no statement can
-- forget it.
create function announce_finished_import() returns trigger language plpgsql as $$
begin
    perform pg_notify('rollcall_finished', new.id::text);
    return null;
end
$$;
create trigger announce_finished
    after update of state on imports for each row
    when (new.state = 'finished' and old.state <> 'finished')
    execute function announce_finished_import();

-- The digest of the row that an import last applied to a user.
drop trigger forget_applied_row on users;
drop function forget_applied_row();
drop trigger forget_applied_rows on presentation_groups;
drop function forget_applied_rows_of_group();
alter table users rename column applied_row to row_digest;

-- Anything that changes a user without setting the digest makes the digest worthless. A trigger, so that no statement,
-- an operator's included, can forget it. Imports set a new digest and never cause a call of it.
create function clear_row_digest() returns trigger language plpgsql as $$
begin
    new.row_digest := null;
    return new;
end
$$;
create trigger clear_row_digest
    before update of given_name, surname, middle_name, preferred_name, email_address, graduation_year,
                     library_barcode, admin_system_id, gender, form_class, enabled, staff_member,
                     presentation_group_id, password_fingerprint
    on users for each row
    when (new.row_digest is not distinct from old.row_digest
          and (old.given_name, old.surname, old.middle_name, old.preferred_name, old.email_address,
               old.graduation_year, old.library_barcode, old.admin_system_id, old.gender, old.form_class,
               old.enabled, old.staff_member, old.presentation_group_id, old.password_fingerprint)
              is distinct from
              (new.given_name, new.surname, new.middle_name, new.preferred_name, new.email_address,
               new.graduation_year, new.library_barcode, new.admin_system_id, new.gender, new.form_class,
               new.enabled, new.staff_member, new.presentation_group_id, new.password_fingerprint))
    execute function clear_row_digest();

-- A row that names a group means another group once the label has changed.
create function clear_row_digests_of_group() returns trigger language plpgsql as $$
begin
    update users set row_digest = null where tenant_id = old.tenant_id and presentation_group_id = old.id;
    return null;
end
$$;
create trigger clear_row_digests
    after update of label on presentation_groups for each row
    when (old.label is distinct from new.label)
    execute function clear_row_digests_of_group();

-- The hashing queue: one row for each tenant whose passwords wait or have waited.
alter table hashing_turns rename to hash_queue;
alter table hash_queue rename constraint hashing_turns_pkey to hash_queue_pkey;
alter table hash_queue rename column woken_at to published_at;
alter table hash_queue rename column wake_ups to publish_count;
alter table hash_queue rename column taken_to to hashed_up_to;
