-- $1 tenant, $2 import
select failures + cardinality(lost_workers) from imports where tenant_id = $1 and id = $2
