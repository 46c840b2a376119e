-- $1 tenant, $2 import
select failures + cardinality(lost_workers) > 0 from imports where tenant_id = $1 and id = $2
