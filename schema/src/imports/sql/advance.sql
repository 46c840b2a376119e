-- $1 tenant, $2 import, $3 attempt, $4 the chunk's first row, $5 created, $6 updated, $7 failed,
-- $8 length of the lease in seconds, $9 kind, $10 encoding, $11 delimiter, $12 ignored columns (null: keep),
-- $13 whether the file ends after the chunk, $14 the file's warnings (null: keep), $15 the rows' warnings,
-- $16 presentation groups that the rows made
--
-- The file's warnings come with the first chunk of every attempt and are stored with the first chunk of the file.
update imports
   set created = created + $5, updated = updated + $6, failed = failed + $7, new_groups = new_groups + $16,
       -- Failures are counted against an import that makes no progress.
       failures = 0, lost_workers = '{}', retries = 0, waiting = null,
       -- The clock's time: the transaction's own time is when the chunk began.
       lease_until = case when not $13 then clock_timestamp() + $8 * interval '1 second' end,
       kind = coalesce($9, kind), encoding = coalesce($10, encoding),
       delimiter = coalesce($11, delimiter), ignored_columns = coalesce($12, ignored_columns),
       warnings = limited_warnings(
           warnings || case when rows_done = 0 then coalesce($14::text[], '{}') else '{}' end || $15::text[]),
       state = case when $13 then 'finished' else state end,
       finished_at = case when $13 then now() end,
       rows_total = case when $13 then created + updated + failed + $5 + $6 + $7 else rows_total end
 where tenant_id = $1 and id = $2 and attempt = $3 and state = 'running' and rows_done = $4::bigint - 1
