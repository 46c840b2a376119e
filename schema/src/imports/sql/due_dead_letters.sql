-- $1 limit
select tenant_id, id, lane, attempt, traceparent, tracestate
  from every_import
 where failure_kind = 'abandoned' and dead_lettered_at is null
 order by finished_at
 limit $1
