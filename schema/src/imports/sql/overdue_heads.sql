-- $1 lane, $2 seconds that a wake-up has to be answered in, $3 limit. Heads of lines that could have been claimed that
-- long ago: their wake-up was lost, or waits where no worker answers, or could not be published.
select tenant_id, id, lane, attempt, traceparent, tracestate
  from every_line_head
 where lane = $1
   and (state = 'queued' and not_before <= now()
        or lease_expired(state, lease_until, failures + cardinality(lost_workers), id))
   and (state = 'running'
        or coalesce(published_at,
                    -- It was not published yet: since when could it have been?
                    greatest(submitted_at, not_before,
                             (select before.finished_at
                                from every_import before
                               where before.tenant_id = every_line_head.tenant_id
                                 and before.queue_position < every_line_head.queue_position
                               order by before.queue_position desc
                               limit 1)))
           < now() - $2 * interval '1 second')
 order by submitted_at
 limit $3
