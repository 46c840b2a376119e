-- The next wake-up that is to become a dead letter. Its row stays locked until the transaction ends, and rows that another
-- relay has locked are skipped: so relays that sweep at once share the dead letters and publish none twice.
select tenant_id, id, lane, attempt, traceparent, tracestate
  from every_import
 where failure_kind = 'abandoned' and dead_lettered_at is null
 order by finished_at
 limit 1
   for no key update skip locked
