-- $1 tenant
select tenant_id, id, lane, attempt, traceparent, tracestate
  from (select * from line_heads where tenant_id = $1 limit 1) head
 where state = 'queued' and not_before <= now()
