-- Memberships that the census did not count. One that exists by now is a unique violation, after which the chunk starts again
-- with `insert_library_members`. To insert without looking for a conflict first takes two thirds of the time.
insert into library_group_members (tenant_id, user_id, group_id)
select $1, new.user_id, new.group_id from unnest($2::uuid[], $3::uuid[]) as new (user_id, group_id)
