drop function waiting_reason(uuid, uuid);
drop trigger forget_attempts on imports;
drop function forget_attempts();
drop view line_heads;
create view line_heads as
select distinct on (tenant_id)
       tenant_id, id, queue_position, lane, state, attempt, failures, lease_until, not_before,
       published_at, publish_count, submitted_at, traceparent, tracestate
  from imports
 where state <> 'finished'
 order by tenant_id, queue_position;
alter table imports drop column lost_workers, drop column retries, drop column waiting;
drop table workers;
