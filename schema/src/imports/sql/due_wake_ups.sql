-- $1 seconds after which a wake-up is published again, $2 limit
select tenant_id, id, lane, attempt, traceparent, tracestate
  from every_line_head
 where (state = 'queued' and not_before <= now() or lease_expired(state, lease_until, failures + cardinality(lost_workers), id))
   and (published_at is null
        or published_at < now() - $1 * interval '1 second' * (2 ^ least(publish_count - 1, 3)))
 order by submitted_at
 limit $2
