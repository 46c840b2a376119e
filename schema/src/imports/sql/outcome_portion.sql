-- $1 tenant, $2 import, $3 row, $4 failed rows to skip, $5 bytes
--
-- The first chunk that begins at row $3 or later, with the texts of its failed rows from the one after the first $4 on: at
-- most 1,024 of them, and none that begins after $5 bytes of others.
select first_row, rows, outcomes,
       array(select text
               from (select text, number, sum(octet_length(text)) over (order by number) - octet_length(text) as bytes_before
                       from unnest(problems[$4::integer + 1 : $4::integer + 1024]) with ordinality as slice (text, number)) texts
              where bytes_before < $5::bigint
              order by number) as problems
  from chunk_outcomes
 where tenant_id = $1 and import_id = $2 and first_row >= $3
 order by first_row
 limit 1
