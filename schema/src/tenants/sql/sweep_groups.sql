-- $1 tenant, whose row is locked; $2 limit. Returns whether the tenant has no import, and how many groups were deleted.
--
-- `except` reads the tenant's users once, whatever joins the worker's sessions are allowed.
with idle as materialized (
    select not exists (select from imports where tenant_id = $1 and state <> 'finished') as is_idle
),
unused as materialized (
    select id
      from (select id
              from presentation_groups
             where tenant_id = $1 and imported and (select is_idle from idle)
            except
            select presentation_group_id
              from users
             where tenant_id = $1 and presentation_group_id is not null and (select is_idle from idle)) as unused
     limit $2
),
deleted as (
    delete from presentation_groups
     using unused
     where presentation_groups.tenant_id = $1 and presentation_groups.id = unused.id
    returning presentation_groups.id
)
select is_idle, (select count(*) from deleted) from idle
