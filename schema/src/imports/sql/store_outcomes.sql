-- $1 tenant, $2 import, $3 first row, $4 rows, $5 packed outcomes, $6 problems
insert into chunk_outcomes (tenant_id, import_id, first_row, rows, outcomes, problems)
values ($1, $2, $3, $4, $5, $6)
