-- Of the tenant that is set in the transaction: COPY takes no values.
copy (
    select user_id, group_id from library_group_members where tenant_id = current_tenant()
    union all
    select user_id, group_id from system_group_members where tenant_id = current_tenant()
) to stdout (format binary)
